//! What is sent to the gateway and comes back from it, with the exact JSON keys of agola v0.7.
//!
//! These types belong to the API alone: what the services behind it send and store may change without them. What is
//! missing or `null` in JSON is the empty value here; keys of requests are read whatever the case of their letters.

mod admin;
mod auth;
mod enums;
mod organization;
mod project;
mod project_group;
mod remote_source;
mod run;
mod user;
mod value;
mod when;

pub use admin::{MaintenanceResponse, StoreCheckpoint, StoreInstance, StoreResponse, StoreSize};
pub use auth::{
    AuthorizeResponse, LoginUserRequest, LoginUserResponse, RegisterUserRequest,
    RegisterUserResponse, RemoteSourceAuthResult, RemoteUserInfo,
};
pub use enums::{
    DefinitionFormat, DependCondition, MemberRole, RunActionType, RunPhase, RunResult,
    RunTaskActionType, RunTaskStatus, SecretType, StepPhase, StepType, Visibility,
    WhenConditionType,
};
pub use organization::{
    AddOrgMemberRequest, AddOrgMemberResponse, CreateOrgRequest, OrgMemberResponse,
    OrgMembersResponse, OrgResponse, UserOrgResponse,
};
pub use project::{
    CreateProjectRequest, ProjectCreateRunRequest, ProjectResponse, RunDefinition,
    UpdateProjectRequest,
};
pub use project_group::{
    CreateProjectGroupRequest, ProjectGroupResponse, UpdateProjectGroupRequest,
};
pub use remote_source::{
    CreateRemoteSourceRequest, RemoteRepoResponse, RemoteSourceResponse, UpdateRemoteSourceRequest,
};
pub use run::{
    CreateRunResponse, CreatedRun, RunActionsRequest, RunEventResponse, RunResponse,
    RunSummaryResponse, RunTaskActionsRequest, RunTaskDepend, RunTaskResponse, RunTaskStepResponse,
    RunTaskSummaryResponse, SetupStepResponse,
};
pub use user::{
    CreateUserLaRequest, CreateUserLaResponse, CreateUserRequest, CreateUserTokenRequest,
    CreateUserTokenResponse, LinkedAccountResponse, LinkedAccountSummary, UserCreateRunRequest,
    UserResponse,
};
pub use value::{
    SecretRequest, SecretResponse, VariableRequest, VariableResponse, VariableValueRequest,
    VariableValueResponse,
};
pub use when::{When, WhenCondition, WhenConditions};

/// What this program is: the answer of `GET /version`.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct VersionResponse {
    /// `gateway`.
    pub service: String,
    /// Its version.
    pub version: String,
}
