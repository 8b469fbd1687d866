//! Everything to apply to a cluster: the webhook configuration, and the gate's replicas where they run inside.

use crate::custom::CustomImages;
use crate::gate::Mode;

#[derive(Clone, Debug)]
pub struct ManifestInput {
    /// What the API server calls, https. Inside the cluster the service is called instead.
    pub url: String,
    /// The authority of the webhook's certificate.
    pub ca_pem: String,
    pub mode: Mode,
    pub custom: Vec<CustomImages>,
    pub cluster: Option<InCluster>,
}

/// Replicas of the gate inside the cluster.
#[derive(Clone, Debug)]
pub struct InCluster {
    /// The image of Linkward, by digest.
    pub image: String,
    /// Where the record serves its feed.
    pub feed: String,
    pub replicas: u32,
    pub environment: String,
    /// `trust.json` of the record: public keys alone.
    pub trust: String,
}

/// The namespace of the gate; the webhook leaves it alone, or the gate could not be repaired.
const NAMESPACE: &str = "linkward";

/// The files to apply, in the order of their dependence: name and text.
pub fn files(input: &ManifestInput) -> Vec<(&'static str, String)> {
    let mut files = Vec::new();
    if let Some(cluster) = &input.cluster {
        files.push(("namespace.yaml", namespace()));
        files.push(("serviceaccount.yaml", service_account()));
        files.push(("config.yaml", config(cluster)));
        files.push(("service.yaml", service()));
        files.push(("deployment.yaml", deployment(cluster)));
        files.push(("poddisruptionbudget.yaml", budget()));
        files.push(("networkpolicy.yaml", network(cluster)));
    }
    files.push(("webhook.yaml", webhook(input)));
    let names: Vec<String> = files.iter().map(|(name, _)| format!("  - {name}\n")).collect();
    let kustomization = format!(
        "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources:\n{}",
        names.concat()
    );
    files.push(("kustomization.yaml", kustomization));
    files
}

/// All resources in one stream, for `kubectl apply -f -`.
pub fn manifest(input: &ManifestInput) -> String {
    let resources = files(input).into_iter().filter(|(name, _)| *name != "kustomization.yaml");
    resources.map(|(_, text)| text).collect::<Vec<_>>().join("---\n")
}

/// Text as a YAML scalar: JSON's strings are YAML's.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Three webhooks, chosen by the label `linkward.dev/mode` of the namespace, which belongs to the cluster's owner. While
/// the gate observes it must never stop a deployment, so the API server ignores its absence; enforcing, an absent gate is
/// a closed one.
pub(crate) fn webhook(input: &ManifestInput) -> String {
    use base64::Engine as _;
    let bundle = base64::engine::general_purpose::STANDARD.encode(&input.ca_pem);
    let mut out = "\
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata:
  name: linkward
webhooks:
"
    .to_owned();
    let rules = rules(&input.custom);
    for (name, operator, values, mode) in [
        ("admission", "NotIn", "[\"warn\", \"audit\"]", "enforce"),
        ("warn.admission", "In", "[\"warn\"]", "warn"),
        ("audit.admission", "In", "[\"audit\"]", "audit"),
    ] {
        let policy = match (input.mode, mode) {
            (Mode::Enforce, "enforce") => "Fail",
            _ => "Ignore",
        };
        let client = match &input.cluster {
            None => {
                let url = input.url.trim_end_matches('/');
                format!(
                    "      url: {}\n",
                    quoted(&if mode == "enforce" { url.to_owned() } else { format!("{url}/{mode}") })
                )
            }
            Some(_) => {
                let path = if mode == "enforce" { String::new() } else { format!("/{mode}") };
                format!(
                    "      service: {{ name: linkward, namespace: {NAMESPACE}, path: /admit{path}, port: 443 }}\n"
                )
            }
        };
        out.push_str(&format!(
            "  - name: {name}.linkward.dev
    admissionReviewVersions: [\"v1\"]
    clientConfig:
{client}      caBundle: {bundle}
    # Ignore while the gate observes; apply again after `linkward admit enforce`, which makes it Fail.
    failurePolicy: {policy}
    matchPolicy: Equivalent
    sideEffects: NoneOnDryRun
    timeoutSeconds: 5
    # The gate's own namespace stays outside, or it could not be repaired.
    namespaceSelector:
      matchExpressions:
        - {{ key: kubernetes.io/metadata.name, operator: NotIn, values: [\"{NAMESPACE}\"] }}
        - {{ key: linkward.dev/mode, operator: {operator}, values: {values} }}
    # Status updates hold no images: the gate stays out of the kubelets' way, also when it is away.
    matchConditions:
      - name: not-status
        # An API server leaves the field out where there is none: reading it then is an error, and an error closes the gate.
        expression: \"!has(request.subResource) || request.subResource in ['', 'ephemeralcontainers']\"
{rules}"
        ));
    }
    out
}

fn rules(custom: &[CustomImages]) -> String {
    let mut groups: Vec<(&str, String, String)> = vec![
        (
            "",
            "[\"v1\"]".to_owned(),
            "\"pods\", \"pods/ephemeralcontainers\", \"replicationcontrollers\", \"podtemplates\"".to_owned(),
        ),
        (
            "apps",
            "[\"v1\"]".to_owned(),
            "\"deployments\", \"replicasets\", \"statefulsets\", \"daemonsets\"".to_owned(),
        ),
        ("batch", "[\"v1\"]".to_owned(), "\"jobs\", \"cronjobs\"".to_owned()),
    ];
    let mut seen: Vec<(&str, String)> = Vec::new();
    for path in custom {
        let resource = plural(path.kind());
        if !seen.contains(&(path.group(), resource.clone())) {
            groups.push((path.group(), "[\"*\"]".to_owned(), quoted(&resource)));
            seen.push((path.group(), resource));
        }
    }
    let mut out = "    rules:\n".to_owned();
    for (group, versions, resources) in groups {
        out.push_str(&format!(
            "      - operations: [\"CREATE\", \"UPDATE\"]
        apiGroups: [{}]
        apiVersions: {versions}
        resources: [{resources}]
        scope: Namespaced
",
            quoted(group)
        ));
    }
    out
}

/// The resource name of a kind, by the rule that code generators follow.
fn plural(kind: &str) -> String {
    let lower = kind.to_ascii_lowercase();
    let vowel_before = |lower: &str| {
        lower.trim_end_matches('y').chars().last().is_some_and(|c| matches!(c, 'a' | 'e' | 'i' | 'o' | 'u'))
    };
    if lower.ends_with(['s', 'x', 'z']) || lower.ends_with("ch") || lower.ends_with("sh") {
        format!("{lower}es")
    } else if lower.ends_with('y') && !vowel_before(&lower) {
        format!("{}ies", lower.strip_suffix('y').unwrap_or(&lower))
    } else {
        format!("{lower}s")
    }
}

fn namespace() -> String {
    format!(
        "\
apiVersion: v1
kind: Namespace
metadata:
  name: {NAMESPACE}
  labels:
    pod-security.kubernetes.io/enforce: restricted
"
    )
}

/// The gate decides from what it holds and asks the API server nothing: it has no token, and no role is bound to it.
fn service_account() -> String {
    format!(
        "\
# No Role: the gate never calls the API server, so its account can do nothing and mounts no token.
apiVersion: v1
kind: ServiceAccount
metadata:
  name: linkward
  namespace: {NAMESPACE}
automountServiceAccountToken: false
"
    )
}

fn config(cluster: &InCluster) -> String {
    let settings = format!("[home]\nenvironment = {}\n", quoted(&cluster.environment));
    format!(
        "\
# Public keys and settings; the settings are those of [admission] in linkward.toml.
apiVersion: v1
kind: ConfigMap
metadata:
  name: linkward
  namespace: {NAMESPACE}
data:
  trust.json: {}
  linkward.toml: {}
",
        quoted(&cluster.trust),
        quoted(&settings)
    )
}

fn service() -> String {
    format!(
        "\
apiVersion: v1
kind: Service
metadata:
  name: linkward
  namespace: {NAMESPACE}
spec:
  selector: {{ app.kubernetes.io/name: linkward }}
  ports:
    - {{ name: https, port: 443, targetPort: https, protocol: TCP }}
"
    )
}

fn deployment(cluster: &InCluster) -> String {
    format!(
        "\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: linkward
  namespace: {NAMESPACE}
  labels: {{ app.kubernetes.io/name: linkward }}
spec:
  replicas: {replicas}
  selector:
    matchLabels: {{ app.kubernetes.io/name: linkward }}
  strategy:
    type: RollingUpdate
    rollingUpdate: {{ maxUnavailable: 0, maxSurge: 1 }}
  template:
    metadata:
      labels: {{ app.kubernetes.io/name: linkward }}
    spec:
      serviceAccountName: linkward
      automountServiceAccountToken: false
      priorityClassName: system-cluster-critical
      topologySpreadConstraints:
        - maxSkew: 1
          topologyKey: kubernetes.io/hostname
          whenUnsatisfiable: ScheduleAnyway
          labelSelector:
            matchLabels: {{ app.kubernetes.io/name: linkward }}
      securityContext:
        runAsNonRoot: true
        runAsUser: 65532
        fsGroup: 65532
        seccompProfile: {{ type: RuntimeDefault }}
      containers:
        - name: gate
          image: {image}
          args:
            - admit
            - serve
            - --feed={feed}
            - --gate=/config
            - --state=/state
            - --listen=0.0.0.0:8443
            - --cert=/tls/tls.crt
            - --key=/tls/tls.key
            - --ca=/tls/ca.crt
          ports:
            - {{ name: https, containerPort: 8443, protocol: TCP }}
          # Ready once it has verdicts to decide from.
          readinessProbe:
            httpGet: {{ path: /readyz, port: https, scheme: HTTPS }}
            periodSeconds: 2
          livenessProbe:
            httpGet: {{ path: /healthz, port: https, scheme: HTTPS }}
            periodSeconds: 10
          resources:
            requests: {{ cpu: 50m, memory: 64Mi }}
            limits: {{ memory: 256Mi }}
          securityContext:
            allowPrivilegeEscalation: false
            readOnlyRootFilesystem: true
            capabilities: {{ drop: [\"ALL\"] }}
          volumeMounts:
            - {{ name: config, mountPath: /config, readOnly: true }}
            - {{ name: tls, mountPath: /tls, readOnly: true }}
            - {{ name: state, mountPath: /state }}
      volumes:
        - name: config
          configMap: {{ name: linkward }}
        # Made and renewed by `linkward admit certificate --secret`; the gate reads a new one without a restart.
        - name: tls
          secret: {{ secretName: linkward-tls }}
        - name: state
          emptyDir: {{ sizeLimit: 256Mi }}
",
        replicas = cluster.replicas,
        image = quoted(&cluster.image),
        feed = cluster.feed,
    )
}

fn budget() -> String {
    format!(
        "\
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: linkward
  namespace: {NAMESPACE}
spec:
  minAvailable: 1
  selector:
    matchLabels: {{ app.kubernetes.io/name: linkward }}
"
    )
}

/// The API server has no label to select by, so the webhook's port is open; outwards, names and the feed alone.
fn network(cluster: &InCluster) -> String {
    let (scheme, rest) = cluster.feed.split_once("://").unwrap_or(("https", &cluster.feed));
    let authority = rest.split('/').next().unwrap_or("");
    let port = authority
        .rsplit_once(':')
        .and_then(|(_, port)| port.parse::<u16>().ok())
        .unwrap_or(if scheme == "http" { 80 } else { 443 });
    format!(
        "\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: linkward
  namespace: {NAMESPACE}
spec:
  podSelector:
    matchLabels: {{ app.kubernetes.io/name: linkward }}
  policyTypes: [\"Ingress\", \"Egress\"]
  ingress:
    - ports:
        - {{ port: 8443, protocol: TCP }}
  egress:
    - ports:
        - {{ port: 53, protocol: UDP }}
        - {{ port: 53, protocol: TCP }}
        - {{ port: {port}, protocol: TCP }}
"
    )
}

/// A Secret with a certificate for the gate, to apply on its own: it is renewed without touching anything else.
pub fn secret(certificate: &str, key: &str, authority: &str) -> String {
    format!(
        "\
apiVersion: v1
kind: Secret
metadata:
  name: linkward-tls
  namespace: {NAMESPACE}
type: kubernetes.io/tls
stringData:
  tls.crt: {}
  tls.key: {}
  ca.crt: {}
",
        quoted(certificate),
        quoted(key),
        quoted(authority)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use saphyr::{LoadableYamlNode as _, Yaml};

    fn input(mode: Mode, cluster: bool) -> ManifestInput {
        let custom = vec!["argoproj.io/Rollout:spec.template.spec".parse().unwrap()];
        let cluster = cluster.then(|| InCluster {
            image: format!("registry.example/linkward@sha256:{}", "a".repeat(64)),
            feed: "https://record.example:7443/gate".to_owned(),
            replicas: 2,
            environment: "production".to_owned(),
            trust: "{\"version\": 1, \"step_key\": \"-----BEGIN\\n\"}".to_owned(),
        });
        ManifestInput {
            url: "https://gate.example/admit".to_owned(),
            ca_pem: "PEM\n".to_owned(),
            mode,
            custom,
            cluster,
        }
    }

    fn parsed(text: &str) -> Vec<Yaml<'_>> {
        Yaml::load_from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
    }

    #[test]
    fn every_file_is_one_resource_of_valid_yaml() {
        for cluster in [false, true] {
            let input = input(Mode::Enforce, cluster);
            let files = files(&input);
            assert_eq!(files.len(), if cluster { 9 } else { 2 });
            for (name, text) in &files {
                let documents = parsed(text);
                assert_eq!(documents.len(), 1, "{name}");
                assert!(documents[0]["kind"].as_str().is_some(), "{name}");
                assert!(documents[0]["apiVersion"].as_str().is_some(), "{name}");
            }
            let (_, kustomization) = files.last().unwrap();
            let listed = parsed(kustomization)[0]["resources"].as_vec().unwrap().len();
            assert_eq!(listed, files.len() - 1);
            assert_eq!(parsed(&manifest(&input)).len(), files.len() - 1);
        }
        let secret = secret("-----BEGIN CERTIFICATE-----\na\n", "key\n", "ca\n");
        assert_eq!(
            parsed(&secret)[0]["stringData"]["tls.crt"].as_str(),
            Some("-----BEGIN CERTIFICATE-----\na\n")
        );
    }

    #[test]
    fn the_webhook_closes_only_where_it_enforces_and_never_on_itself() {
        for (mode, expected) in [(Mode::Observe, "Ignore"), (Mode::Enforce, "Fail")] {
            let text = webhook(&input(mode, true));
            let documents = parsed(&text);
            let hooks = documents[0]["webhooks"].as_vec().unwrap();
            assert_eq!(hooks.len(), 3);
            assert_eq!(hooks[0]["failurePolicy"].as_str(), Some(expected));
            for (hook, path) in hooks.iter().zip(["/admit", "/admit/warn", "/admit/audit"]) {
                let selector = &hook["namespaceSelector"]["matchExpressions"][0];
                assert_eq!(selector["values"][0].as_str(), Some("linkward"));
                assert_eq!(hook["clientConfig"]["service"]["path"].as_str(), Some(path));
                let conditions = hook["matchConditions"].as_vec().unwrap();
                assert_eq!(conditions.len(), 1);
                let expression = conditions[0]["expression"].as_str().unwrap();
                assert!(expression.starts_with("!has(request.subResource) || "), "{expression}");
                for rule in hook["rules"].as_vec().unwrap() {
                    let operations: Vec<_> =
                        rule["operations"].as_vec().unwrap().iter().filter_map(Yaml::as_str).collect();
                    assert_eq!(operations, ["CREATE", "UPDATE"], "a deletion is never asked about");
                }
                let rules = hook["rules"].as_vec().unwrap();
                assert_eq!(rules.last().unwrap()["resources"][0].as_str(), Some("rollouts"));
            }
        }
    }

    #[test]
    fn kinds_have_the_plural_that_generators_give_them() {
        for (kind, resource) in [
            ("Rollout", "rollouts"),
            ("Ingress", "ingresses"),
            ("Policy", "policies"),
            ("Gateway", "gateways"),
            ("Switch", "switches"),
        ] {
            assert_eq!(plural(kind), resource);
        }
    }
}
