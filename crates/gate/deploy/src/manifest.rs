//! The webhook configuration to apply.

use crate::gate::Mode;

#[derive(Clone, Debug)]
pub struct ManifestInput {
    /// What the API server calls, https.
    pub url: String,
    /// The authority of the webhook's certificate.
    pub ca_pem: String,
    pub mode: Mode,
}

/// A ValidatingWebhookConfiguration. While the gate observes it must never stop a deployment, so the API server
/// ignores its absence; enforcing, an absent gate is a closed one.
pub fn manifest(input: &ManifestInput) -> String {
    use base64::Engine as _;
    let bundle = base64::engine::general_purpose::STANDARD.encode(&input.ca_pem);
    let policy = match input.mode {
        Mode::Observe => "Ignore",
        Mode::Enforce => "Fail",
    };
    let url = serde_json::Value::from(input.url.as_str());
    format!(
        "\
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata:
  name: linkward
webhooks:
  - name: admission.linkward.dev
    admissionReviewVersions: [\"v1\"]
    clientConfig:
      url: {url}
      caBundle: {bundle}
    # Ignore while the gate observes; apply again after `linkward admit enforce`, which makes it Fail.
    failurePolicy: {policy}
    matchPolicy: Equivalent
    sideEffects: NoneOnDryRun
    timeoutSeconds: 5
    # The gate's own namespace stays outside, or it could not be repaired.
    namespaceSelector:
      matchExpressions:
        - {{ key: kubernetes.io/metadata.name, operator: NotIn, values: [\"linkward\"] }}
    rules:
      - operations: [\"CREATE\", \"UPDATE\"]
        apiGroups: [\"\"]
        apiVersions: [\"v1\"]
        resources: [\"pods\", \"pods/ephemeralcontainers\", \"replicationcontrollers\", \"podtemplates\"]
        scope: Namespaced
      - operations: [\"CREATE\", \"UPDATE\"]
        apiGroups: [\"apps\"]
        apiVersions: [\"v1\"]
        resources: [\"deployments\", \"replicasets\", \"statefulsets\", \"daemonsets\"]
        scope: Namespaced
      - operations: [\"CREATE\", \"UPDATE\"]
        apiGroups: [\"batch\"]
        apiVersions: [\"v1\"]
        resources: [\"jobs\", \"cronjobs\"]
        scope: Namespaced
"
    )
}
