//! The webhook as a file of the API server's own (manifest-based admission, Kubernetes 1.37): in force before the first request, and
//! out of reach for whoever may change webhooks through the API.

use std::path::Path;

use crate::manifest::{ManifestInput, webhook};

/// Names with this end are the API server's own: nobody can make or delete one through the API.
const SUFFIX: &str = ".static.k8s.io";

/// Two files: what `--admission-control-config-file` names, and the webhook in the folder that it points to. `place` is where that
/// folder is on the control plane's machine, absolute.
pub fn static_files(input: &ManifestInput, place: &Path) -> Vec<(&'static str, String)> {
    // A service cannot be named there: at its start the API server resolves none.
    let input = ManifestInput { cluster: None, ..input.clone() };
    let hooks = webhook(&input).replacen("  name: linkward\n", &format!("  name: linkward{SUFFIX}\n"), 1);
    let place = serde_json::Value::from(place.to_string_lossy().as_ref());
    let configuration = format!(
        "\
# kube-apiserver --admission-control-config-file=THIS FILE
apiVersion: apiserver.config.k8s.io/v1
kind: AdmissionConfiguration
plugins:
  - name: ValidatingAdmissionWebhook
    configuration:
      apiVersion: apiserver.config.k8s.io/v1
      kind: WebhookAdmissionConfiguration
      staticManifestsDir: {place}
"
    );
    vec![("admission.yaml", configuration), ("static/webhook.yaml", hooks)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::Mode;
    use crate::manifest::InCluster;
    use saphyr::{LoadableYamlNode as _, Yaml};

    #[test]
    fn the_static_webhook_is_named_by_url_and_by_the_reserved_end() {
        let input = ManifestInput {
            url: "https://gate.example/admit".to_owned(),
            ca_pem: "PEM\n".to_owned(),
            mode: Mode::Enforce,
            custom: Vec::new(),
            cluster: Some(InCluster {
                image: String::new(),
                feed: String::new(),
                replicas: 1,
                environment: String::new(),
                trust: String::new(),
            }),
        };
        let files = static_files(&input, Path::new("/etc/kubernetes/linkward/static"));
        let documents: Vec<Yaml<'_>> =
            files.iter().map(|(_, text)| Yaml::load_from_str(text).unwrap().remove(0)).collect();
        let plugin = &documents[0]["plugins"][0];
        assert_eq!(
            plugin["configuration"]["staticManifestsDir"].as_str(),
            Some("/etc/kubernetes/linkward/static")
        );
        assert_eq!(documents[1]["metadata"]["name"].as_str(), Some("linkward.static.k8s.io"));
        assert!(!files[1].1.contains("service:"), "{}", files[1].1);
        for hook in documents[1]["webhooks"].as_vec().unwrap() {
            let client = &hook["clientConfig"];
            assert!(client["url"].as_str().unwrap().starts_with("https://gate.example/admit"));
        }
    }
}
