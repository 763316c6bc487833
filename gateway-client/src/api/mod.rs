//! What is sent to the gateway and comes back from it, with the exact JSON keys of agola v0.7.
//!
//! Keys that are not known here are ignored, and keys that are missing have their defaults, so that older and newer gateways
//! are understood.

mod admin;
mod auth;
mod enums;
mod json;
mod macros;
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

use macros::{debug_without_secrets, names};

/// What the gateway is: the answer of `GET /version`.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct VersionResponse {
    /// `gateway`.
    pub service: String,
    /// Its version.
    pub version: String,
}

#[cfg(test)]
mod tests;
