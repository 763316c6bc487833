//! New runs.

use std::collections::BTreeMap;

use configstore::api::{Project, RemoteRepositoryConfigType};
use configstore::client::ValueParent;
use configstore::evaluation::{RefType, Reference, applies, effective_variables, secret_of};
use regex::Regex;
use runservice::api::RunCreateRequest;

use super::Gateway;
use super::projects::no_repository;
use super::runs::{escape, project_group_path, user_group_path};
use crate::api::{
    CreateRunResponse, CreatedRun, DefinitionFormat, ProjectCreateRunRequest, RunDefinition,
    UserCreateRunRequest,
};
use crate::auth::Caller;
use crate::definitions::{Plan, Target};
use crate::error::{behind, needs_git, unauthorized};
use crate::{Error, ErrorKind};

/// In the message of a commit: nothing is run for it.
const SKIP: &str = "[ci skip]";
/// The name of a run of a definition with faults.
const SETUP_ERROR_NAME: &str = "Setup Error";
/// How references of pull requests look where nothing else is said.
const PULL_REQUESTS: [&str; 2] = [r"refs/pull/(\d+)/head", r"refs/merge-requests/(\d+)/head"];
/// Expressions for references of pull requests, at most.
const EXPRESSIONS_MAX: usize = 20;

/// What runs are made of and for.
struct NewRuns<'a> {
    definition: (DefinitionFormat, String),
    target: Target,
    commit_sha: &'a str,
    message: &'a str,
    variables: BTreeMap<String, String>,
    ssh_private_key: &'a str,
    owner: NewRunsOf<'a>,
}

enum NewRunsOf<'a> {
    Project { id: &'a str },
    User { id: &'a str, repository: &'a str },
}

impl Gateway {
    /// Makes the runs of a definition for a project.
    pub(crate) async fn create_project_runs(
        &self,
        caller: &Caller,
        reference: &str,
        request: &ProjectCreateRunRequest,
    ) -> Result<CreateRunResponse, Error> {
        let project = self.own_project(caller, reference).await?.project;
        let expressions = match request.pull_request_ref_regexes.is_empty() {
            true => compile(PULL_REQUESTS)?,
            false => compile(&request.pull_request_ref_regexes)?,
        };
        let (branch, tag) = (&request.branch, &request.tag);
        let target = target(branch, tag, &request.reference, &expressions)?;
        let definition = definition_of(&project, request.config.as_ref())?;
        let mut variables = self.variables_of(&project.id, &target).await?;
        variables.extend(request.variables.clone());
        let new = NewRuns {
            definition,
            target,
            commit_sha: &request.commit_sha,
            message: &request.message,
            variables,
            ssh_private_key: &project.ssh_private_key,
            owner: NewRunsOf::Project { id: &project.id },
        };
        self.create_runs(caller, new).await
    }

    /// Makes the runs of a definition for the caller.
    pub(crate) async fn create_user_runs(
        &self,
        caller: &Caller,
        request: &UserCreateRunRequest,
    ) -> Result<CreateRunResponse, Error> {
        let user = &caller.calling_user()?.id;
        let expressions = compile(&request.pull_request_ref_regexes)?;
        if request.config.is_none() {
            check_repository(user, request)?;
        }
        let (branch, tag) = (&request.branch, &request.tag);
        let target = target(branch, tag, &request.reference, &expressions)?;
        let Some(definition) = &request.config else {
            for (what, value) in [
                ("commit_sha", &request.commit_sha),
                ("message", &request.message),
            ] {
                if value.is_empty() {
                    return Err(Error::bad_request(format!("{what} is missing")));
                }
            }
            return Err(needs_git("a run of a repository"));
        };
        let new = NewRuns {
            definition: sent(definition)?,
            target,
            commit_sha: &request.commit_sha,
            message: &request.message,
            variables: request.variables.clone(),
            ssh_private_key: "",
            owner: NewRunsOf::User {
                id: user,
                repository: &request.repo_uuid,
            },
        };
        self.create_runs(caller, new).await
    }

    async fn create_runs(
        &self,
        caller: &Caller,
        new: NewRuns<'_>,
    ) -> Result<CreateRunResponse, Error> {
        let (format, content) = new.definition.clone();
        let plan =
            self.definitions()
                .plan(format, content, &new.target, new.commit_sha, &new.variables);
        let requests = match plan.await? {
            Plan::Faults(faults) => vec![RunCreateRequest {
                name: SETUP_ERROR_NAME.to_owned(),
                setup_errors: faults,
                ..new.request()
            }],
            Plan::Runs(_) if new.message.contains(SKIP) => Vec::new(),
            Plan::Runs(runs) => runs
                .into_iter()
                .map(|run| RunCreateRequest {
                    name: run.name,
                    run_config_tasks: Some(run.tasks),
                    cache_group: new.cache_group(),
                    ..new.request()
                })
                .collect(),
        };
        let runservice = self.runservice_for(caller);
        let mut runs = Vec::new();
        for request in requests {
            let created = runservice.create_run(&request).await.map_err(behind)?;
            let (Some(run), Some(config)) = (created.run, created.run_config) else {
                return Err(Error::internal(
                    "the run service has answered without a run",
                ));
            };
            runs.push(CreatedRun {
                number: run.counter,
                name: run.name,
                setup_errors: config.setup_errors,
            });
        }
        Ok(CreateRunResponse { runs })
    }

    /// The variables of a project that apply, with their values.
    async fn variables_of(
        &self,
        project: &str,
        target: &Target,
    ) -> Result<BTreeMap<String, String>, Error> {
        let parent = ValueParent::Project(project);
        let configstore = self.configstore();
        let (variables, secrets) = futures::try_join!(
            configstore.variables(parent, true),
            configstore.secrets(parent, true)
        )
        .map_err(behind)?;
        let reference = Reference {
            kind: target.kind,
            branch: &target.branch,
            tag: &target.tag,
            name: &target.reference,
        };
        let mut values = BTreeMap::new();
        for variable in effective_variables(variables) {
            let mut candidates = variable.variable.values.iter();
            // An expression that is none applies to nothing. It has come past the gateway.
            let value =
                candidates.find(|value| applies(value.when.as_ref(), reference).unwrap_or(false));
            let Some(value) = value else {
                continue;
            };
            let secret = secret_of(value, &variable.parent_path, &secrets);
            let data = secret.and_then(|secret| secret.secret.data.get(&value.secret_var));
            if let Some(data) = data {
                values.insert(variable.variable.name, data.clone());
            }
        }
        Ok(values)
    }
}

impl NewRuns<'_> {
    /// What all runs of a definition have.
    fn request(&self) -> RunCreateRequest {
        RunCreateRequest {
            group: self.group(),
            static_environment: self.static_environment(),
            annotations: self.annotations(),
            ..RunCreateRequest::default()
        }
    }

    fn group(&self) -> String {
        let owner = match self.owner {
            NewRunsOf::Project { id } => project_group_path(id),
            NewRunsOf::User { id, .. } => user_group_path(id),
        };
        let target = &self.target;
        let (kind, name) = match target.kind {
            RefType::Branch => ("branch", &target.branch),
            RefType::Tag => ("tag", &target.tag),
            RefType::PullRequest => ("pr", &target.pull_request_id),
        };
        format!("{owner}/{kind}/{}", escape(name))
    }

    fn cache_group(&self) -> String {
        match self.owner {
            NewRunsOf::User { id, repository } if !repository.is_empty() => {
                format!("{id}-{repository}")
            }
            _ => String::new(),
        }
    }

    /// What every step finds in its environment. There is no repository.
    fn static_environment(&self) -> BTreeMap<String, String> {
        let target = &self.target;
        [
            ("CI", "true"),
            ("AGOLA_SSHPRIVKEY", self.ssh_private_key),
            ("AGOLA_REPOSITORY_URL", ""),
            ("AGOLA_GIT_HOST", ""),
            ("AGOLA_GIT_PORT", ""),
            ("AGOLA_GIT_BRANCH", &target.branch),
            ("AGOLA_GIT_TAG", &target.tag),
            ("AGOLA_PULL_REQUEST_ID", &target.pull_request_id),
            ("AGOLA_GIT_REF_TYPE", ref_type(target.kind)),
            ("AGOLA_GIT_REF", &target.reference),
            ("AGOLA_GIT_COMMITSHA", self.commit_sha),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
    }

    fn annotations(&self) -> BTreeMap<String, String> {
        let target = &self.target;
        let (run_type, owner_key, owner_id) = match self.owner {
            NewRunsOf::Project { id } => ("project", "projectid", id),
            NewRunsOf::User { id, .. } => ("user", "userid", id),
        };
        let always = [
            ("run_type", run_type),
            ("ref_type", ref_type(target.kind)),
            ("run_creation_trigger", "manual"),
            ("webhook_event", ""),
            ("webhook_sender", ""),
            ("commit_sha", self.commit_sha),
            ("ref", &target.reference),
            ("message", self.message),
            ("commit_link", ""),
            ("compare_link", ""),
            (owner_key, owner_id),
        ];
        let named = [
            ("branch", "branch_link", &target.branch),
            ("tag", "tag_link", &target.tag),
            (
                "pull_request_id",
                "pull_request_link",
                &target.pull_request_id,
            ),
        ];
        let named = named
            .into_iter()
            .filter(|(_, _, value)| !value.is_empty())
            .flat_map(|(key, link, value)| [(key, value.as_str()), (link, "")]);
        always
            .into_iter()
            .chain(named)
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect()
    }
}

fn ref_type(kind: RefType) -> &'static str {
    match kind {
        RefType::Branch => "branch",
        RefType::Tag => "tag",
        RefType::PullRequest => "pull_request",
    }
}

/// The definition that was sent, or the one that is stored.
fn definition_of(
    project: &Project,
    config: Option<&RunDefinition>,
) -> Result<(DefinitionFormat, String), Error> {
    if let Some(definition) = config {
        return sent(definition);
    }
    if let Some(stored) = &project.run_config {
        let format = stored.format.parse();
        let format = format.map_err(|cause: service::api::UnknownName| Error::internal(cause))?;
        return Ok((format, stored.content.clone()));
    }
    match project.remote_repository_config_type {
        Some(RemoteRepositoryConfigType::RemoteSource) => Err(needs_git("a run of a repository")),
        _ => Err(no_repository()),
    }
}

fn sent(definition: &RunDefinition) -> Result<(DefinitionFormat, String), Error> {
    let format = definition.format;
    let format = format.ok_or_else(|| Error::bad_request("the format of the config is missing"))?;
    Ok((format, definition.content.clone()))
}

/// What a direct run of a repository needs.
fn check_repository(user: &str, request: &UserCreateRunRequest) -> Result<(), Error> {
    if request.repo_uuid.is_empty() {
        return Err(Error::bad_request("repo_uuid is missing"));
    }
    let mut parts = request.repo_path.split('/');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(owner), Some(_), None) if owner == user => Ok(()),
        (Some(_), Some(_), None) => Err(unauthorized("the repository is not yours")),
        _ => Err(Error::bad_request("repo_path has not two parts")),
    }
}

fn compile<T: AsRef<str>>(expressions: impl AsRef<[T]>) -> Result<Vec<Regex>, Error> {
    let expressions = expressions.as_ref();
    if expressions.len() > EXPRESSIONS_MAX {
        let message = format!("at most {EXPRESSIONS_MAX} pull_request_ref_regexes are accepted");
        return Err(Error::bad_request(message));
    }
    let compiled = expressions.iter().map(|expression| {
        Regex::new(expression.as_ref()).map_err(|cause| {
            let message = "one of pull_request_ref_regexes is no regular expression";
            Error::new(ErrorKind::BadRequest, format!("{message}: {cause}"))
        })
    });
    compiled.collect()
}

/// What exactly one of the three names.
fn target(
    branch: &str,
    tag: &str,
    reference: &str,
    pull_requests: &[Regex],
) -> Result<Target, Error> {
    let reference = match (branch, tag, reference) {
        (branch, "", "") if !branch.is_empty() => format!("refs/heads/{branch}"),
        ("", tag, "") if !tag.is_empty() => format!("refs/tags/{tag}"),
        ("", "", reference) if !reference.is_empty() => reference.to_owned(),
        _ => {
            let message = "exactly one of branch, tag and ref has to be given";
            return Err(Error::bad_request(message));
        }
    };
    let mut target = Target {
        kind: RefType::Branch,
        reference: String::new(),
        branch: String::new(),
        tag: String::new(),
        pull_request_id: String::new(),
    };
    if let Some(branch) = reference
        .strip_prefix("refs/heads/")
        .filter(|name| !name.is_empty())
    {
        target.branch = branch.to_owned();
    } else if let Some(tag) = reference
        .strip_prefix("refs/tags/")
        .filter(|name| !name.is_empty())
    {
        target.kind = RefType::Tag;
        target.tag = tag.to_owned();
    } else {
        let mut ids = pull_requests.iter().filter_map(|expression| {
            let id = expression.captures(&reference)?.get(1)?;
            Some(id.as_str()).filter(|id| !id.is_empty())
        });
        let id = ids.next();
        let id = id.ok_or_else(|| {
            Error::bad_request("ref is no branch, no tag and no pull request that is known")
        })?;
        target.kind = RefType::PullRequest;
        target.pull_request_id = id.to_owned();
    }
    target.reference = reference;
    Ok(target)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_one_of_branch_tag_and_reference_is_what_runs_are_for() {
        let pull_requests = compile(PULL_REQUESTS).unwrap();
        for (given, kind, reference, name) in [
            (
                ("develop", "", ""),
                RefType::Branch,
                "refs/heads/develop",
                "develop",
            ),
            (
                ("", "v0.1.0", ""),
                RefType::Tag,
                "refs/tags/v0.1.0",
                "v0.1.0",
            ),
            (
                ("", "", "refs/heads/a/b"),
                RefType::Branch,
                "refs/heads/a/b",
                "a/b",
            ),
            (("", "", "refs/tags/v1"), RefType::Tag, "refs/tags/v1", "v1"),
            (
                ("", "", "refs/pull/1/head"),
                RefType::PullRequest,
                "refs/pull/1/head",
                "1",
            ),
        ] {
            let target = target(given.0, given.1, given.2, &pull_requests).unwrap();
            assert_eq!((target.kind, target.reference.as_str()), (kind, reference));
            let names = [&target.branch, &target.tag, &target.pull_request_id];
            let names: Vec<_> = names.into_iter().filter(|name| !name.is_empty()).collect();
            assert_eq!(names, [name]);
        }
        for given in [
            ("", "", ""),
            ("a", "b", ""),
            ("a", "", "refs/heads/a"),
            ("", "", "refs/notes/x"),
            ("", "", "refs/heads/"),
        ] {
            assert!(
                target(given.0, given.1, given.2, &pull_requests).is_err(),
                "{given:?}"
            );
        }
        assert!(compile(["("]).is_err());
    }

    #[test]
    fn a_run_says_what_it_is_for() {
        let pull_requests = compile(PULL_REQUESTS).unwrap();
        let new = |branch: &str, reference: &str| NewRuns {
            definition: (DefinitionFormat::Yaml, String::new()),
            target: target(branch, "", reference, &pull_requests).unwrap(),
            commit_sha: "c0ffee",
            message: "commit",
            variables: BTreeMap::new(),
            ssh_private_key: "key",
            owner: NewRunsOf::Project { id: "p1" },
        };
        let branch = new("feature/a", "");
        assert_eq!(branch.group(), "/project/p1/branch/feature%2Fa");
        assert_eq!(branch.cache_group(), "");
        let annotations = branch.annotations();
        for (key, value) in [
            ("run_type", "project"),
            ("ref_type", "branch"),
            ("ref", "refs/heads/feature/a"),
            ("branch", "feature/a"),
            ("branch_link", ""),
            ("projectid", "p1"),
            ("commit_sha", "c0ffee"),
        ] {
            assert_eq!(
                annotations.get(key).map(String::as_str),
                Some(value),
                "{key}"
            );
        }
        assert!(!annotations.contains_key("tag") && !annotations.contains_key("userid"));
        let environment = branch.static_environment();
        assert_eq!(environment["AGOLA_GIT_REF"], "refs/heads/feature/a");
        assert_eq!(environment["AGOLA_SSHPRIVKEY"], "key");
        let mut pull_request = new("", "refs/pull/12/head");
        pull_request.owner = NewRunsOf::User {
            id: "u1",
            repository: "r1",
        };
        assert_eq!(pull_request.group(), "/user/u1/pr/12");
        assert_eq!(pull_request.cache_group(), "u1-r1");
        assert_eq!(pull_request.annotations()["pull_request_id"], "12");
        assert_eq!(pull_request.annotations()["userid"], "u1");
    }
}
