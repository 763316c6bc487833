//! How an etcd for tests is started.

use std::time::Duration;

/// The user that may do everything, once users are asked for.
pub(super) const ROOT: &str = "root";

/// What [`Etcd::start`](super::Etcd::start) starts. Default: one node, no users, and what etcd itself takes.
#[derive(Clone, Debug)]
pub struct EtcdOptions {
    pub(super) nodes: usize,
    pub(super) quota_bytes: Option<u64>,
    pub(super) users: Option<Users>,
    pub(super) flags: Vec<String>,
    pub(super) ready_within: Duration,
}

#[derive(Clone, Debug)]
pub(super) struct Users {
    pub(super) root_password: String,
    pub(super) token_ttl: Duration,
}

impl Default for EtcdOptions {
    fn default() -> EtcdOptions {
        EtcdOptions {
            nodes: 1,
            quota_bytes: None,
            users: None,
            flags: Vec::new(),
            ready_within: Duration::from_secs(60),
        }
    }
}

impl EtcdOptions {
    /// One node that asks for no user.
    pub fn new() -> EtcdOptions {
        EtcdOptions::default()
    }

    /// So many nodes: 1, or 3 to go on without one.
    pub fn nodes(mut self, nodes: usize) -> EtcdOptions {
        self.nodes = nodes;
        self
    }

    /// Bytes of etcd's database, at most: beyond them it raises the alarm `NOSPACE`.
    pub fn quota_bytes(mut self, quota_bytes: u64) -> EtcdOptions {
        self.quota_bytes = Some(quota_bytes);
        self
    }

    /// Switches authentication on, with a user `root` of this password. A token that a client has got with it is
    /// accepted for `token_ttl` (whole seconds) after its last use, then it has to ask for another.
    pub fn authentication(
        mut self,
        root_password: impl Into<String>,
        token_ttl: Duration,
    ) -> EtcdOptions {
        self.users = Some(Users {
            root_password: root_password.into(),
            token_ttl,
        });
        self
    }

    /// One more argument for every node, such as `--heartbeat-interval=50`.
    pub fn flag(mut self, flag: impl Into<String>) -> EtcdOptions {
        self.flags.push(flag.into());
        self
    }

    /// How long a start may take until the cluster answers; 60 seconds by default.
    pub fn ready_within(mut self, ready_within: Duration) -> EtcdOptions {
        self.ready_within = ready_within;
        self
    }
}
