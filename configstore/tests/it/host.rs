//! Services in the test's own process, and what tests ask of them.

use std::net::TcpListener;
use std::path::{Path, PathBuf};

use configstore::api::{
    ConfigType, CreateOrgRequest, CreateUpdateProjectGroupRequest, CreateUpdateProjectRequest,
    CreateUpdateRemoteSourceRequest, CreateUpdateSecretRequest, CreateUpdateVariableRequest,
    CreateUserLaRequest, CreateUserRequest, Organization, Parent, ProjectGroupResponse,
    ProjectResponse, RemoteRepositoryConfigType, RemoteSource, RemoteSourceType, SecretType, User,
    VariableValue, Visibility,
};
use configstore::client::Client;
use configstore::{Error, ErrorKind, Settings};
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub(crate) use service::testing::wait_until;

/// A service that runs until it is stopped or dropped.
pub(crate) struct Server {
    url: String,
    data_dir: PathBuf,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<Result<(), Error>>,
    /// Removed at the end, if the server has made it.
    _directory: Option<TempDir>,
}

impl Server {
    /// A service with a store of its own, ready.
    pub(crate) async fn new() -> Server {
        let directory = tempfile::tempdir().unwrap();
        let mut server = Server::start(&settings(directory.path())).await;
        server._directory = Some(directory);
        server
    }

    /// A service with these settings, ready.
    pub(crate) async fn start(settings: &Settings) -> Server {
        let server = Server::begin(settings);
        server.wait_until_ready().await;
        server
    }

    /// A service that is about to start.
    pub(crate) fn begin(settings: &Settings) -> Server {
        crate::captured_log::start();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let settings = settings.clone();
        let (data_dir, tls) = (settings.server.data_dir.clone(), settings.server.web.tls);
        let task = tokio::spawn(async move {
            configstore::run(listener, &settings, async move {
                // One that is dropped stops too.
                let _ = stopped.await;
            })
            .await
        });
        let url = match tls {
            true => format!("https://localhost:{}", address.port()),
            false => format!("http://{address}"),
        };
        Server {
            url,
            data_dir,
            stop: Some(stop),
            task,
            _directory: None,
        }
    }

    pub(crate) async fn wait_until_ready(&self) {
        let client = self.client();
        wait_until("the service is ready", async || {
            assert!(!self.task.is_finished(), "the service has ended");
            client.ready().await.is_ok()
        })
        .await;
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// A client that has seen nothing yet.
    pub(crate) fn client(&self) -> Client {
        Client::builder(&self.url).build().unwrap()
    }

    /// Stops the service, or waits for its end if it ends by itself, and returns how it has ended.
    pub(crate) async fn stop(mut self) -> Result<(), Error> {
        if let Some(stop) = self.stop.take() {
            // It may have ended already.
            let _ = stop.send(());
        }
        self.task.await.unwrap()
    }

    /// How a service ends that cannot start.
    pub(crate) async fn ended(self) -> Error {
        let _stop = self.stop;
        self.task.await.unwrap().unwrap_err()
    }
}

/// Settings for a service with all that it has in one directory.
pub(crate) fn settings(directory: &Path) -> Settings {
    let mut settings = Settings::default();
    settings.server.data_dir = directory.join("data");
    settings
}

pub(crate) fn assert_refused<T: std::fmt::Debug>(result: Result<T, Error>, code: &str) {
    let error = result.unwrap_err();
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::BadRequest, code),
        "{}",
        error.chain()
    );
    assert!(!error.to_string().is_empty());
}

pub(crate) fn assert_exists<T: std::fmt::Debug>(result: Result<T, Error>) {
    assert_refused(result, "already_exists");
}

pub(crate) fn assert_unknown<T: std::fmt::Debug>(result: Result<T, Error>) {
    assert_refused(result, "unknown_reference");
}

pub(crate) fn assert_invalid<T: std::fmt::Debug>(result: Result<T, Error>) {
    assert_refused(result, "bad_request");
}

pub(crate) fn assert_not_found<T: std::fmt::Debug>(result: Result<T, Error>) {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
}

pub(crate) fn user_request(name: &str) -> CreateUserRequest {
    CreateUserRequest {
        user_name: name.to_owned(),
        create_user_la_request: None,
    }
}

pub(crate) fn org_request(name: &str) -> CreateOrgRequest {
    CreateOrgRequest {
        name: name.to_owned(),
        visibility: Some(Visibility::Public),
        creator_user_id: String::new(),
    }
}

pub(crate) fn group_request(parent: &str, name: &str) -> CreateUpdateProjectGroupRequest {
    CreateUpdateProjectGroupRequest {
        name: name.to_owned(),
        parent: Parent::project_group(parent),
        visibility: Some(Visibility::Public),
    }
}

pub(crate) fn project_request(parent: &str, name: &str) -> CreateUpdateProjectRequest {
    CreateUpdateProjectRequest {
        name: name.to_owned(),
        parent: Parent::project_group(parent),
        visibility: Some(Visibility::Public),
        remote_repository_config_type: Some(RemoteRepositoryConfigType::Manual),
        ..Default::default()
    }
}

pub(crate) fn secret_request(name: &str, key: &str, value: &str) -> CreateUpdateSecretRequest {
    CreateUpdateSecretRequest {
        name: name.to_owned(),
        kind: Some(SecretType::Internal),
        data: [(key.to_owned(), value.to_owned())].into(),
        ..Default::default()
    }
}

pub(crate) fn variable_request(name: &str, secret: &str, key: &str) -> CreateUpdateVariableRequest {
    CreateUpdateVariableRequest {
        name: name.to_owned(),
        values: vec![VariableValue {
            secret_name: secret.to_owned(),
            secret_var: key.to_owned(),
            when: None,
        }],
    }
}

pub(crate) fn remote_source_request(name: &str) -> CreateUpdateRemoteSourceRequest {
    CreateUpdateRemoteSourceRequest {
        name: name.to_owned(),
        apiurl: "https://api.example.com".to_owned(),
        kind: Some(RemoteSourceType::Gitea),
        auth_type: Some(configstore::api::AuthType::Oauth2),
        oauth2_client_id: "clientid".to_owned(),
        oauth2_client_secret: "clientsecret".to_owned(),
        ..Default::default()
    }
}

pub(crate) fn linked_account_request(source: &str, remote_user: &str) -> CreateUserLaRequest {
    CreateUserLaRequest {
        remote_source_name: source.to_owned(),
        remote_user_id: remote_user.to_owned(),
        remote_user_name: format!("name of {remote_user}"),
        user_access_token: "useraccess".to_owned(),
        oauth2_access_token: "oauth2access".to_owned(),
        oauth2_refresh_token: "oauth2refresh".to_owned(),
        oauth_2_access_token_expires_at: "2030-01-02T03:04:05.5Z".parse().unwrap(),
    }
}

/// What most tests begin with.
pub(crate) trait Fill {
    async fn add_user(&self, name: &str) -> User;
    async fn add_org(&self, name: &str) -> Organization;
    async fn add_group(&self, parent: &str, name: &str) -> ProjectGroupResponse;
    async fn add_project(&self, parent: &str, name: &str) -> ProjectResponse;
    async fn add_remote_source(&self, name: &str) -> RemoteSource;
    /// The names of all users.
    async fn user_names(&self) -> Vec<String>;
}

impl Fill for Client {
    async fn add_user(&self, name: &str) -> User {
        self.create_user(&user_request(name)).await.unwrap()
    }

    async fn add_org(&self, name: &str) -> Organization {
        self.create_org(&org_request(name)).await.unwrap()
    }

    async fn add_group(&self, parent: &str, name: &str) -> ProjectGroupResponse {
        self.create_project_group(&group_request(parent, name))
            .await
            .unwrap()
    }

    async fn add_project(&self, parent: &str, name: &str) -> ProjectResponse {
        self.create_project(&project_request(parent, name))
            .await
            .unwrap()
    }

    async fn add_remote_source(&self, name: &str) -> RemoteSource {
        self.create_remote_source(&remote_source_request(name))
            .await
            .unwrap()
    }

    async fn user_names(&self) -> Vec<String> {
        let users = self
            .users(&configstore::client::ListOptions::all())
            .await
            .unwrap();
        users.into_iter().map(|user| user.name).collect()
    }
}

/// A root group's parent in requests.
pub(crate) fn owner(kind: ConfigType, id: &str) -> Parent {
    Parent::new(kind, id)
}
