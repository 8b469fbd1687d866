//! What has to be built again once something that went into it is bad, and in which order.

use std::collections::{BTreeMap, BTreeSet};

use linkward_decide::family;
use linkward_model::Digest;
use serde::{Deserialize, Serialize};

/// One proven build: what came out, by whom, and what went in.
#[derive(Clone, Debug)]
pub struct Built {
    pub name: String,
    pub digests: Vec<Digest>,
    pub builder: String,
    /// Where its source is, and which revision of it.
    pub source: Option<String>,
    pub revision: Option<String>,
    pub materials: Vec<Digest>,
}

/// Releases of one name that have to be replaced by a new one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RebuildItem {
    /// The name that the releases share.
    pub name: String,
    /// Further names that proofs call them by: a file is `dist/app` to one and `app` to another.
    pub also: Vec<String>,
    pub digests: Vec<Digest>,
    /// How the newest of them was built; none where no proven provenance says it.
    pub builder: Option<String>,
    pub source: Option<String>,
    pub revision: Option<String>,
    /// Others of the plan that went into it: they come first.
    pub after: Vec<String>,
    /// Those of one wave can be built side by side.
    pub wave: usize,
}

impl RebuildItem {
    /// Whether a release of this name replaces one of these.
    pub fn is_called(&self, name: &str) -> bool {
        let name = family(name);
        self.name == name || self.also.iter().any(|also| also == name)
    }
}

/// The artifacts to build again, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RebuildPlan {
    pub items: Vec<RebuildItem>,
    /// Names that went into each other: no order among them can be right.
    pub circular: Vec<String>,
}

impl RebuildPlan {
    /// Plans from what is bad by itself, with the names that its releases share, and every proven build, newest first.
    /// Whatever was built from something bad is bad too.
    pub fn new<'n>(bad: &'n BTreeMap<Digest, String>, builds: &'n [Built]) -> Self {
        let mut called: BTreeMap<Digest, BTreeSet<&str>> = BTreeMap::new();
        for build in builds {
            for digest in &build.digests {
                called.entry(*digest).or_default().insert(family(&build.name));
            }
        }
        // The longest says most; every proof of one artifact must come to the same.
        let name_of = |digest: &Digest, other: &'n str| -> &'n str {
            let names = called.get(digest).into_iter().flatten().copied();
            names.max_by_key(|name| (name.len(), std::cmp::Reverse(*name))).unwrap_or(other)
        };
        let mut names: BTreeMap<Digest, &str> =
            bad.iter().map(|(digest, name)| (*digest, name_of(digest, name))).collect();
        // Each round follows the materials by one step; there are no more steps than builds.
        for _ in 0..=builds.len() {
            let before = names.len();
            for build in builds {
                if build.materials.iter().any(|material| names.contains_key(material)) {
                    for digest in &build.digests {
                        names.entry(*digest).or_insert_with(|| name_of(digest, family(&build.name)));
                    }
                }
            }
            if names.len() == before {
                break;
            }
        }
        let mut items: BTreeMap<&str, RebuildItem> = BTreeMap::new();
        for (digest, name) in &names {
            let item = items.entry(*name).or_insert_with(|| RebuildItem {
                name: (*name).to_owned(),
                also: Vec::new(),
                digests: Vec::new(),
                builder: None,
                source: None,
                revision: None,
                after: Vec::new(),
                wave: 0,
            });
            item.digests.push(*digest);
            for further in called.get(digest).into_iter().flatten().filter(|further| *further != name) {
                if !item.also.iter().any(|known| known == further) {
                    item.also.push((*further).to_owned());
                }
            }
        }
        for build in builds {
            let Some(item) = build.digests.iter().find_map(|digest| names.get(digest)) else { continue };
            let before = build.materials.iter().filter_map(|material| names.get(material));
            let before: BTreeSet<String> =
                before.filter(|name| *name != item).map(|name| (*name).to_owned()).collect();
            let Some(item) = items.get_mut(item) else { continue };
            if item.builder.is_none() {
                item.builder = Some(build.builder.clone());
                item.source.clone_from(&build.source);
                item.revision.clone_from(&build.revision);
            }
            let all: BTreeSet<String> = item.after.drain(..).chain(before).collect();
            item.after = all.into_iter().collect();
        }
        in_waves(items.into_values().collect())
    }
}

fn in_waves(mut items: Vec<RebuildItem>) -> RebuildPlan {
    let mut done: BTreeSet<String> = BTreeSet::new();
    let mut circular = Vec::new();
    let mut wave = 0;
    while done.len() < items.len() {
        let waiting = |item: &&mut RebuildItem| !done.contains(&item.name);
        let ready = |item: &RebuildItem| item.after.iter().all(|name| done.contains(name));
        let mut now: Vec<String> = items
            .iter_mut()
            .filter(waiting)
            .filter(|item| ready(item))
            .map(|item| item.name.clone())
            .collect();
        if now.is_empty() {
            now = items.iter_mut().filter(waiting).map(|item| item.name.clone()).collect();
            circular.clone_from(&now);
        }
        for item in items.iter_mut().filter(|item| now.contains(&item.name)) {
            item.wave = wave;
        }
        done.extend(now);
        wave = wave.saturating_add(1);
    }
    items.sort_by(|one, other| (one.wave, &one.name).cmp(&(other.wave, &other.name)));
    RebuildPlan { items, circular }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(text: &str) -> Digest {
        Digest::sha256(text.as_bytes())
    }

    fn built(name: &str, materials: &[&str]) -> Built {
        Built {
            name: name.to_owned(),
            digests: vec![digest(name)],
            builder: format!("builder of {name}"),
            source: None,
            revision: None,
            materials: materials.iter().map(|name| digest(name)).collect(),
        }
    }

    fn plan(bad: &[&str], builds: &[Built]) -> Vec<(usize, String)> {
        let bad = bad.iter().map(|name| (digest(name), family(name).to_owned())).collect();
        RebuildPlan::new(&bad, builds).items.into_iter().map(|item| (item.wave, item.name)).collect()
    }

    #[test]
    fn what_went_in_comes_first() {
        let builds = [
            built("shop/app:1", &["shop/base:1", "shop/lib-1.0.tgz"]),
            built("shop/lib-1.0.tgz", &["shop/base:1"]),
            built("shop/other:1", &["elsewhere"]),
            built("shop/base:1", &["upstream:1"]),
        ];
        let expected = |names: &[(usize, &str)]| -> Vec<(usize, String)> {
            names.iter().map(|(wave, name)| (*wave, (*name).to_owned())).collect()
        };
        let all = expected(&[(0, "upstream"), (1, "shop/base"), (2, "shop/lib"), (3, "shop/app")]);
        assert_eq!(plan(&["upstream:1"], &builds), all);
        assert_eq!(plan(&["shop/lib-1.0.tgz"], &builds), expected(&[(0, "shop/lib"), (1, "shop/app")]));
        assert_eq!(plan(&["elsewhere:2"], &builds), expected(&[(0, "elsewhere")]));
        assert_eq!(plan(&[], &builds), []);
    }

    #[test]
    fn releases_of_one_name_are_one_item_built_as_the_newest_was() {
        let mut builds = vec![built("app-2.0.tgz", &["bad"]), built("app-1.0.tgz", &["bad"])];
        builds[1].source = Some("old".to_owned());
        let bad = BTreeMap::from([(digest("bad"), "bad".to_owned())]);
        let plan = RebuildPlan::new(&bad, &builds);
        let app = plan.items.iter().find(|item| item.name == "app").unwrap();
        assert_eq!((app.digests.len(), app.builder.as_deref()), (2, Some("builder of app-2.0.tgz")));
        assert_eq!((&app.source, app.after.as_slice()), (&None, &["bad".to_owned()][..]));
        let bad = plan.items.iter().find(|item| item.name == "bad").unwrap();
        assert_eq!(bad.builder, None, "nobody proved how it was built");
    }

    #[test]
    fn proofs_that_call_one_artifact_otherwise_are_of_one_item() {
        let mut other = built("dist/app-1.0.tgz", &["bad"]);
        other.digests = vec![digest("app-1.0.tgz")];
        let builds = [built("app-1.0.tgz", &["bad"]), other];
        let bad = BTreeMap::from([(digest("bad"), "bad".to_owned())]);
        let plan = RebuildPlan::new(&bad, &builds);
        let names: Vec<&str> = plan.items.iter().map(|item| item.name.as_str()).collect();
        assert_eq!(names, ["bad", "dist/app"]);
        assert_eq!(plan.items[1].also, ["app"]);
        assert!(plan.items[1].is_called("app-2.0.tgz") && plan.items[1].is_called("dist/app-2.0.tgz"));
        assert!(!plan.items[1].is_called("dist/application-2.0.tgz"));
    }

    #[test]
    fn a_circle_is_named_and_ends() {
        let builds = [built("one", &["two"]), built("two", &["one"]), built("three", &["two"])];
        let bad = BTreeMap::from([(digest("one"), "one".to_owned())]);
        let plan = RebuildPlan::new(&bad, &builds);
        assert_eq!(plan.circular, ["one", "three", "two"]);
        assert_eq!(plan.items.len(), 3);
        assert!(RebuildPlan::new(&BTreeMap::new(), &builds).circular.is_empty());
    }
}
