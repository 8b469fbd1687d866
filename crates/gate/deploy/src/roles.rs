//! What the record's own account may do in a cluster: see workloads, and, where that is wanted, put their images back.

/// Account, roles and bindings, to apply. Going back is a role of its own: seeing alone needs no right to change anything.
pub fn roles(rollback: bool) -> String {
    let mut out = "\
# For [cluster] in linkward.toml: the account with which the record sees what runs.
apiVersion: v1
kind: Namespace
metadata:
  name: linkward
  labels:
    pod-security.kubernetes.io/enforce: restricted
---
apiVersion: v1
kind: ServiceAccount
metadata:
  name: linkward-record
  namespace: linkward
automountServiceAccountToken: false
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: linkward-watch
rules:
  - apiGroups: [\"\"]
    resources: [\"pods\", \"podtemplates\", \"replicationcontrollers\"]
    verbs: [\"get\", \"list\", \"watch\"]
  - apiGroups: [\"apps\"]
    resources: [\"deployments\", \"replicasets\", \"statefulsets\", \"daemonsets\"]
    verbs: [\"get\", \"list\", \"watch\"]
  - apiGroups: [\"batch\"]
    resources: [\"jobs\", \"cronjobs\"]
    verbs: [\"get\", \"list\", \"watch\"]
"
    .to_owned();
    out.push_str(&binding("watch"));
    if rollback {
        out.push_str(
            "\
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: linkward-rollback
rules:
  - apiGroups: [\"apps\"]
    resources: [\"deployments\", \"statefulsets\", \"daemonsets\"]
    verbs: [\"get\", \"patch\"]
",
        );
        out.push_str(&binding("rollback"));
    }
    out
}

fn binding(role: &str) -> String {
    format!(
        "\
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata:
  name: linkward-{role}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: ClusterRole
  name: linkward-{role}
subjects:
  - kind: ServiceAccount
    name: linkward-record
    namespace: linkward
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use saphyr::{LoadableYamlNode as _, Yaml};

    #[test]
    fn nothing_is_granted_beyond_what_is_used() {
        let kinds = |rollback| {
            let text = roles(rollback);
            let documents = Yaml::load_from_str(&text).unwrap();
            documents.iter().map(|document| document["kind"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(kinds(false), ["Namespace", "ServiceAccount", "ClusterRole", "ClusterRoleBinding"]);
        assert_eq!(kinds(true).len(), 6);
        for forbidden in ["*", "secrets", "create", "update", "delete", "escalate"] {
            assert!(!roles(true).contains(&format!("\"{forbidden}\"")), "{forbidden}");
        }
        assert!(!roles(false).contains("patch"));
        // Every kind that is watched may be listed.
        for kind in crate::ClusterKind::ALL {
            let resource = kind.list_path().rsplit('/').next().unwrap().to_owned();
            assert!(roles(false).contains(&format!("\"{resource}\"")), "{resource}");
        }
    }
}
