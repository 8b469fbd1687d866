//! The built-in kinds that hold images, and where the API server has them.

/// One line a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClusterKind {
    Pod,
    PodTemplate,
    ReplicationController,
    Deployment,
    ReplicaSet,
    StatefulSet,
    DaemonSet,
    Job,
    CronJob,
}

impl ClusterKind {
    pub const ALL: &[Self] = &[
        Self::Pod,
        Self::PodTemplate,
        Self::ReplicationController,
        Self::Deployment,
        Self::ReplicaSet,
        Self::StatefulSet,
        Self::DaemonSet,
        Self::Job,
        Self::CronJob,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pod => "Pod",
            Self::PodTemplate => "PodTemplate",
            Self::ReplicationController => "ReplicationController",
            Self::Deployment => "Deployment",
            Self::ReplicaSet => "ReplicaSet",
            Self::StatefulSet => "StatefulSet",
            Self::DaemonSet => "DaemonSet",
            Self::Job => "Job",
            Self::CronJob => "CronJob",
        }
    }

    /// The group's path, and the resource's name.
    const fn place(self) -> (&'static str, &'static str) {
        match self {
            Self::Pod => ("/api/v1", "pods"),
            Self::PodTemplate => ("/api/v1", "podtemplates"),
            Self::ReplicationController => ("/api/v1", "replicationcontrollers"),
            Self::Deployment => ("/apis/apps/v1", "deployments"),
            Self::ReplicaSet => ("/apis/apps/v1", "replicasets"),
            Self::StatefulSet => ("/apis/apps/v1", "statefulsets"),
            Self::DaemonSet => ("/apis/apps/v1", "daemonsets"),
            Self::Job => ("/apis/batch/v1", "jobs"),
            Self::CronJob => ("/apis/batch/v1", "cronjobs"),
        }
    }

    /// The kind by its name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == name)
    }

    /// Path of all objects of the kind.
    pub fn list_path(self) -> String {
        let (group, resource) = self.place();
        format!("{group}/{resource}")
    }

    /// Path of one object.
    pub fn path(self, namespace: &str, name: &str) -> String {
        let (group, resource) = self.place();
        format!("{group}/namespaces/{namespace}/{resource}/{name}")
    }

    /// Whether it is rolled out revision by revision: pods and jobs come and go.
    pub const fn keeps_revisions(self) -> bool {
        matches!(self, Self::Deployment | Self::StatefulSet | Self::DaemonSet)
    }
}
