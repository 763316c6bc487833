//! Secrets and variables of project groups and projects.

use service::Opened;

use super::parts::{Forced, Parameters, Reply, Segment, Sent, ValuesOf, created, gone, ok};
use crate::actions::Gateway;
use crate::api::{SecretRequest, SecretResponse, VariableRequest, VariableResponse};

/// The secrets by name, without their values.
#[utoipa::path(get, path = "/api/v1alpha/projects/{projectref}/secrets", tag = "values", params(
    ("tree" = Option<String>, Query, description = "Those of the groups above, too; only its presence counts."),
    ("removeoverridden" = Option<String>, Query, description = "Of those with one name only the first; only its presence counts."),
), responses((status = 200, description = "The answer.", body = [SecretResponse])))]
pub(super) async fn secrets(
    Opened(gateway): Opened<Gateway>,
    who: Forced,
    ValuesOf(owner): ValuesOf,
    parameters: Parameters,
) -> Reply {
    let (tree, effective) = (parameters.flag("tree"), parameters.flag("removeoverridden"));
    let answer = gateway
        .secrets(&who.caller, &owner, tree, effective)
        .await?;
    Ok(ok(&answer))
}

/// Makes a secret.
#[utoipa::path(post, path = "/api/v1alpha/projects/{projectref}/secrets", tag = "values", request_body = SecretRequest, responses((status = 201, description = "The answer.", body = SecretResponse)))]
pub(super) async fn create_secret(
    Opened(gateway): Opened<Gateway>,
    ValuesOf(owner): ValuesOf,
    Sent { who, body }: Sent<SecretRequest>,
) -> Reply {
    let answer = gateway.create_secret(&who.caller, &owner, &body).await?;
    who.record("create", "secret", &answer.id);
    Ok(created(&answer))
}

/// Replaces a secret.
#[utoipa::path(put, path = "/api/v1alpha/projects/{projectref}/secrets/{secretname}", tag = "values", request_body = SecretRequest, responses((status = 200, description = "The answer.", body = SecretResponse)))]
pub(super) async fn update_secret(
    Opened(gateway): Opened<Gateway>,
    ValuesOf(owner): ValuesOf,
    Segment(name): Segment<3>,
    Sent { who, body }: Sent<SecretRequest>,
) -> Reply {
    let answer = gateway
        .update_secret(&who.caller, &owner, &name, &body)
        .await?;
    who.record("update", "secret", &answer.id);
    Ok(ok(&answer))
}

/// Removes a secret.
#[utoipa::path(delete, path = "/api/v1alpha/projects/{projectref}/secrets/{secretname}", tag = "values", responses((status = 204, description = "It is gone.")))]
pub(super) async fn remove_secret(
    Opened(gateway): Opened<Gateway>,
    who: Forced,
    ValuesOf(owner): ValuesOf,
    Segment(name): Segment<3>,
) -> Reply {
    gateway.delete_secret(&who.caller, &owner, &name).await?;
    who.record("delete", "secret", &name);
    Ok(gone())
}

/// The variables by name.
#[utoipa::path(get, path = "/api/v1alpha/projects/{projectref}/variables", tag = "values", params(
    ("tree" = Option<String>, Query, description = "Those of the groups above, too; only its presence counts."),
    ("removeoverridden" = Option<String>, Query, description = "Of those with one name only the first; only its presence counts."),
), responses((status = 200, description = "The answer.", body = [VariableResponse])))]
pub(super) async fn variables(
    Opened(gateway): Opened<Gateway>,
    who: Forced,
    ValuesOf(owner): ValuesOf,
    parameters: Parameters,
) -> Reply {
    let (tree, effective) = (parameters.flag("tree"), parameters.flag("removeoverridden"));
    let answer = gateway
        .variables(&who.caller, &owner, tree, effective)
        .await?;
    Ok(ok(&answer))
}

/// Makes a variable.
#[utoipa::path(post, path = "/api/v1alpha/projects/{projectref}/variables", tag = "values", request_body = VariableRequest, responses((status = 201, description = "The answer.", body = VariableResponse)))]
pub(super) async fn create_variable(
    Opened(gateway): Opened<Gateway>,
    ValuesOf(owner): ValuesOf,
    Sent { who, body }: Sent<VariableRequest>,
) -> Reply {
    let answer = gateway.create_variable(&who.caller, &owner, &body).await?;
    who.record("create", "variable", &answer.id);
    Ok(created(&answer))
}

/// Replaces a variable.
#[utoipa::path(put, path = "/api/v1alpha/projects/{projectref}/variables/{variablename}", tag = "values", request_body = VariableRequest, responses((status = 200, description = "The answer.", body = VariableResponse)))]
pub(super) async fn update_variable(
    Opened(gateway): Opened<Gateway>,
    ValuesOf(owner): ValuesOf,
    Segment(name): Segment<3>,
    Sent { who, body }: Sent<VariableRequest>,
) -> Reply {
    let answer = gateway
        .update_variable(&who.caller, &owner, &name, &body)
        .await?;
    who.record("update", "variable", &answer.id);
    Ok(ok(&answer))
}

/// Removes a variable.
#[utoipa::path(delete, path = "/api/v1alpha/projects/{projectref}/variables/{variablename}", tag = "values", responses((status = 204, description = "It is gone.")))]
pub(super) async fn remove_variable(
    Opened(gateway): Opened<Gateway>,
    who: Forced,
    ValuesOf(owner): ValuesOf,
    Segment(name): Segment<3>,
) -> Reply {
    gateway.delete_variable(&who.caller, &owner, &name).await?;
    who.record("delete", "variable", &name);
    Ok(gone())
}
