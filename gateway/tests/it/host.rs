//! The gateway and the services behind it in the test's own process, and what tests ask of them.

use std::ops::Deref;

use gateway::{Settings, testing};
use gateway_client::api::{
    CreateOrgRequest, CreateProjectGroupRequest, CreateProjectRequest, CreateUserRequest,
    CreateUserTokenRequest, DefinitionFormat, MemberRole, ProjectCreateRunRequest, RunDefinition,
    SecretRequest, SecretType, UserResponse, VariableRequest, VariableValueRequest, Visibility,
};
use gateway_client::{Client, Error, ErrorKind};

pub(crate) use gateway::testing::ADMIN_TOKEN;
pub(crate) use service::testing::wait_until;

/// All three servers, which run until this is dropped.
pub(crate) struct World {
    pub(crate) servers: testing::World,
}

impl Deref for World {
    type Target = testing::World;

    fn deref(&self) -> &testing::World {
        &self.servers
    }
}

impl World {
    pub(crate) async fn new() -> World {
        World::with(|_| {}).await
    }

    /// With other settings of the gateway.
    pub(crate) async fn with(change: impl FnOnce(&mut Settings)) -> World {
        let world = testing::World::start(|settings| {
            settings.run_definitions.evaluator = env!("CARGO_BIN_EXE_gateway").into();
            change(settings);
        });
        World {
            servers: world.await,
        }
    }

    /// The URL of a route of the API.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}/api/v1alpha{path}", self.gateway.url())
    }

    /// A client with this token.
    pub(crate) fn client(&self, token: &str) -> Client {
        Client::builder(self.gateway.url())
            .token(token)
            .build()
            .unwrap()
    }

    /// A client of the administrator.
    pub(crate) fn admin(&self) -> Client {
        self.client(ADMIN_TOKEN)
    }

    /// A client that says nothing about who it is.
    pub(crate) fn anonymous(&self) -> Client {
        Client::builder(self.gateway.url()).build().unwrap()
    }

    /// A new user and its client.
    pub(crate) async fn user(&self, name: &str) -> User {
        let admin = self.admin();
        let request = CreateUserRequest {
            username: name.to_owned(),
        };
        let user = admin.create_user(&request).await.unwrap();
        let request = CreateUserTokenRequest {
            token_name: "t1".to_owned(),
        };
        let token = admin.create_token(name, &request).await.unwrap().token;
        let client = self.client(&token);
        User {
            user,
            token,
            client,
        }
    }
}

/// A user with a token.
pub(crate) struct User {
    pub(crate) user: UserResponse,
    pub(crate) token: String,
    pub(crate) client: Client,
}

/// What most tests begin with.
pub(crate) trait Fill {
    async fn add_org(&self, name: &str, visibility: Visibility);
    async fn add_member(&self, org: &str, user: &str, role: MemberRole);
    async fn add_group(&self, parent: &str, name: &str, visibility: Visibility);
    async fn add_project(&self, parent: &str, name: &str, visibility: Visibility);
}

impl Fill for Client {
    async fn add_org(&self, name: &str, visibility: Visibility) {
        let request = CreateOrgRequest {
            name: name.to_owned(),
            visibility: Some(visibility),
        };
        self.create_org(&request).await.unwrap();
    }

    async fn add_member(&self, org: &str, user: &str, role: MemberRole) {
        self.add_org_member(org, user, role).await.unwrap();
    }

    async fn add_group(&self, parent: &str, name: &str, visibility: Visibility) {
        let request = group_request(parent, name, visibility);
        self.create_project_group(&request).await.unwrap();
    }

    async fn add_project(&self, parent: &str, name: &str, visibility: Visibility) {
        let request = project_request(parent, name, visibility);
        self.create_project(&request).await.unwrap();
    }
}

pub(crate) fn group_request(
    parent: &str,
    name: &str,
    visibility: Visibility,
) -> CreateProjectGroupRequest {
    CreateProjectGroupRequest {
        name: name.to_owned(),
        parent_ref: parent.to_owned(),
        visibility: Some(visibility),
    }
}

pub(crate) fn project_request(
    parent: &str,
    name: &str,
    visibility: Visibility,
) -> CreateProjectRequest {
    CreateProjectRequest {
        name: name.to_owned(),
        parent_ref: parent.to_owned(),
        visibility: Some(visibility),
        ..Default::default()
    }
}

pub(crate) fn secret_request(name: &str, key: &str, value: &str) -> SecretRequest {
    SecretRequest {
        name: name.to_owned(),
        kind: Some(SecretType::Internal),
        data: [(key.to_owned(), value.to_owned())].into(),
    }
}

pub(crate) fn variable_request(name: &str, secret: &str, key: &str) -> VariableRequest {
    VariableRequest {
        name: name.to_owned(),
        values: vec![VariableValueRequest {
            secret_name: secret.to_owned(),
            secret_var: key.to_owned(),
            when: None,
        }],
    }
}

/// Asks for runs of a definition on branch `main`.
pub(crate) fn run_request(format: DefinitionFormat, content: &str) -> ProjectCreateRunRequest {
    ProjectCreateRunRequest {
        branch: "main".to_owned(),
        config: Some(definition(format, content)),
        ..Default::default()
    }
}

pub(crate) fn definition(format: DefinitionFormat, content: &str) -> RunDefinition {
    RunDefinition {
        format: Some(format),
        content: content.to_owned(),
    }
}

/// A definition with one run of one task, which has the name of its run.
pub(crate) fn one_run(name: &str) -> String {
    format!(
        "runs: [{{name: {name}, tasks: [{{name: {name}, runtime: {{containers: [{{image: busybox}}]}}, \
         steps: [{{run: 'true'}}]}}]}}]"
    )
}

pub(crate) fn assert_kind<T>(result: Result<T, Error>, kind: ErrorKind) -> Error {
    match result {
        Ok(_) => panic!("this is not refused with {kind:?}"),
        Err(error) => {
            assert_eq!(error.kind(), kind, "{error}");
            error
        }
    }
}
