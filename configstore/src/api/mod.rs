//! What is sent to the service and comes back from it, with the exact JSON keys of agola v0.7.
//!
//! The types are plain: what is missing, empty or `null` in JSON is the empty value here. Requests of organizations, project
//! groups, projects, secrets, variables and remote sources have capitalised keys, all others snake case. Keys are written
//! as they stand here, and read whatever the case of their letters, as agola does.

mod enums;
mod organization;
mod parent;
mod project;
mod project_group;
mod remote_source;
mod secret;
mod user;
mod variable;

pub use enums::{
    AuthType, ConfigType, MemberRole, RemoteRepositoryConfigType, RemoteSourceType, SecretType,
    Visibility, WhenConditionType,
};
pub use organization::{
    AddOrgMemberRequest, CreateOrgRequest, OrgMemberResponse, Organization, OrganizationMember,
    UserOrgsResponse,
};
pub use parent::Parent;
pub use project::{CreateUpdateProjectRequest, Project, ProjectResponse, RunDefinition};
pub use project_group::{
    CreateUpdateProjectGroupRequest, Place, ProjectGroup, ProjectGroupResponse,
};
pub use remote_source::{CreateUpdateRemoteSourceRequest, RemoteSource};
pub use secret::{CreateUpdateSecretRequest, Secret, SecretResponse};
pub use service::api::{InvalidTime, Time, UnknownName};
pub use user::{
    CreateUserLaRequest, CreateUserRequest, CreateUserTokenRequest, CreateUserTokenResponse,
    LinkedAccount, UpdateUserLaRequest, UpdateUserRequest, User,
};
pub use variable::{
    CreateUpdateVariableRequest, Variable, VariableResponse, VariableValue, When, WhenCondition,
    WhenConditions,
};
