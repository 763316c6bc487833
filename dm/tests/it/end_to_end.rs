//! What a person does with everything that is served: from a new user to the log of a run.
//!
//! The steps need an address and the token of the administrator alone, so that they are the same whoever serves them.

use std::time::{Duration, Instant};

use futures::TryStreamExt;
use gateway_client::api::{
    CreateOrgRequest, CreateProjectRequest, CreateUserRequest, CreateUserTokenRequest,
    DefinitionFormat, ProjectCreateRunRequest, RunDefinition, RunPhase, RunResponse, RunResult,
    SecretRequest, SecretType, VariableRequest, VariableValueRequest, Visibility,
};
use gateway_client::{Client, Error, ErrorKind, LogStep, RunsFilter, RunsOf, ValuesOf};

/// How long something may take that comes by itself.
const DEADLINE: Duration = Duration::from_secs(60);
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

const ORG: &str = "acme";
const PROJECT: &str = "org/acme/web";
const SECRET: &str = "the secret value";
/// The last line of the log of the task `build`.
const LAST: &str = "built 3 parts";

/// The tasks `build`, whose log takes some time, and `check`, which needs what the first has made.
const DEFINITION: &str = r#"
runs:
  - name: build and check
    tasks:
      - name: build
        runtime: {type: host}
        environment:
          TOKEN: {from_variable: token}
        steps:
          - run:
              name: build
              command: |
                for part in 1 2 3; do
                  echo "part $part"
                  sleep 0.5
                done
                echo "the token has $(printf %s "$TOKEN" | wc -c) bytes"
                echo "built $part parts" | tee built.txt
          - save_to_workspace: {contents: [{source_dir: ., paths: [built.txt]}]}
      - name: check
        runtime: {type: host}
        depends: [build]
        steps:
          - restore_workspace: {dest_dir: .}
          - run: grep "built 3 parts" built.txt
"#;

/// Where the steps are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// The user is there.
    UserMade,
    /// Organization, project, secret and variable are there.
    ProjectMade,
    /// The run is there.
    RunMade,
    /// The first line of a log has come.
    LogBegun,
}

/// Whether requests may fail for a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weather {
    /// None may.
    Calm,
    /// Services are killed: who gets no answer looks, and asks again; a run whose executor was killed is restarted.
    Kills,
}

/// What was made, to be found again.
#[derive(Debug)]
pub(crate) struct Made {
    user_token: String,
    number: u64,
    build: String,
    log: String,
}

/// Does it all at the gateway at `url`. `at` is called whenever a stage is reached.
pub(crate) async fn do_it_all(
    url: &str,
    admin_token: &str,
    weather: Weather,
    mut at: impl FnMut(Stage),
) -> Made {
    let client = |token: &str| Client::builder(url).token(token).build().unwrap();
    let admin = client(admin_token);
    let user_token = make_user(&admin, weather).await;
    at(Stage::UserMade);
    let ann = client(&user_token);
    make_project(&ann, weather).await;
    at(Stage::ProjectMade);
    let mut number = make_run(&ann, weather).await;
    at(Stage::RunMade);
    let mut reached = Some(at);
    let (build, log) = loop {
        let build = task(&ann, number, "build", weather).await;
        let log = follow(&ann, number, &build, weather, &mut reached).await;
        let run = wait_for_end(&ann, number, weather).await;
        if run.result == RunResult::Success {
            break (build, log);
        }
        assert_eq!(weather, Weather::Kills, "{run:?}");
        number = restart(&ann, number).await;
    };
    assert_log(&log);
    let made = Made {
        user_token,
        number,
        build,
        log,
    };
    find_again(url, &made).await;
    made
}

/// Finds what was made, at this or at another address.
pub(crate) async fn find_again(url: &str, made: &Made) {
    let builder = Client::builder(url).token(&made.user_token);
    let ann = builder.attempts_max(10).build().unwrap();
    let run = ann
        .run(RunsOf::Project(PROJECT), made.number)
        .await
        .unwrap();
    assert_eq!(
        (run.phase, run.result),
        (RunPhase::Finished, RunResult::Success)
    );
    let all = RunsFilter::default();
    let runs = ann.runs(RunsOf::Project(PROJECT), &all);
    assert!(
        runs.await
            .unwrap()
            .iter()
            .any(|run| run.number == made.number)
    );
    let log = ann.log(
        RunsOf::Project(PROJECT),
        made.number,
        &made.build,
        LogStep::Step(0),
    );
    let log: Vec<_> = log.await.unwrap().try_collect().await.unwrap();
    assert_eq!(String::from_utf8(log.concat()).unwrap(), made.log);
}

fn assert_log(log: &str) {
    let bytes = SECRET.len();
    let expected = format!("part 1\npart 2\npart 3\nthe token has {bytes} bytes\n{LAST}\n");
    assert_eq!(log, expected);
}

async fn make_user(admin: &Client, weather: Weather) -> String {
    let request = CreateUserRequest {
        username: "ann".to_owned(),
    };
    done(weather, async || {
        admin.create_user(&request).await.map(drop)
    })
    .await;
    // The value of a token whose answer was lost is lost.
    for attempt in 1.. {
        let request = CreateUserTokenRequest {
            token_name: format!("laptop{attempt}"),
        };
        match admin.create_token("ann", &request).await {
            Ok(made) => return made.token,
            Err(error) => wait_out(weather, &error).await,
        }
    }
    unreachable!("there is always another attempt")
}

async fn make_project(ann: &Client, weather: Weather) {
    let org = CreateOrgRequest {
        name: ORG.to_owned(),
        visibility: Some(Visibility::Private),
    };
    done(weather, async || ann.create_org(&org).await.map(drop)).await;
    let (parent, name) = PROJECT.rsplit_once('/').unwrap();
    let project = CreateProjectRequest {
        name: name.to_owned(),
        parent_ref: parent.to_owned(),
        visibility: Some(Visibility::Private),
        ..Default::default()
    };
    done(weather, async || {
        ann.create_project(&project).await.map(drop)
    })
    .await;
    let secret = SecretRequest {
        name: "registry".to_owned(),
        kind: Some(SecretType::Internal),
        data: [("token".to_owned(), SECRET.to_owned())].into(),
    };
    let of = ValuesOf::Project(PROJECT);
    done(weather, async || {
        ann.create_secret(of, &secret).await.map(drop)
    })
    .await;
    let variable = VariableRequest {
        name: "token".to_owned(),
        values: vec![VariableValueRequest {
            secret_name: "registry".to_owned(),
            secret_var: "token".to_owned(),
            when: None,
        }],
    };
    done(weather, async || {
        ann.create_variable(of, &variable).await.map(drop)
    })
    .await;
}

async fn make_run(ann: &Client, weather: Weather) -> u64 {
    let request = ProjectCreateRunRequest {
        branch: "main".to_owned(),
        config: Some(RunDefinition {
            format: Some(DefinitionFormat::Yaml),
            content: DEFINITION.to_owned(),
        }),
        ..Default::default()
    };
    let of = RunsOf::Project(PROJECT);
    loop {
        match ann.project_create_run(PROJECT, &request).await {
            Ok(created) => {
                assert!(created.runs[0].setup_errors.is_empty(), "{created:?}");
                return created.runs[0].number;
            }
            Err(error) => wait_out(weather, &error).await,
        }
        // There is one if only the answer was lost.
        let runs = eventually(weather, async || ann.runs(of, &RunsFilter::default()).await).await;
        if let Some(run) = runs.first() {
            return run.number;
        }
    }
}

async fn restart(ann: &Client, number: u64) -> u64 {
    let of = RunsOf::Project(PROJECT);
    loop {
        match ann.restart_run(of, number, true).await {
            Ok(run) => return run.number,
            Err(error) => wait_out(Weather::Kills, &error).await,
        }
        let newest = async || ann.runs(of, &RunsFilter::default()).await;
        let newest = eventually(Weather::Kills, newest).await[0].number;
        if newest != number {
            return newest;
        }
    }
}

/// The id of a task.
async fn task(ann: &Client, number: u64, name: &str, weather: Weather) -> String {
    let run = async || ann.run(RunsOf::Project(PROJECT), number).await;
    let run = eventually(weather, run).await;
    let task = run.tasks.values().find(|task| task.name == name);
    task.unwrap().id.clone()
}

/// The whole log of the first step of a task, followed until it ends. In bad weather it is followed again from the start.
async fn follow(
    ann: &Client,
    number: u64,
    task: &str,
    weather: Weather,
    at: &mut Option<impl FnMut(Stage)>,
) -> String {
    let of = RunsOf::Project(PROJECT);
    let deadline = Instant::now() + DEADLINE;
    loop {
        let mut log = Vec::new();
        let followed = async {
            let mut pieces = ann.follow_log(of, number, task, LogStep::Step(0)).await?;
            while let Some(piece) = pieces.try_next().await? {
                log.extend_from_slice(&piece);
                if let Some(mut at) = at.take() {
                    at(Stage::LogBegun);
                }
            }
            Ok(())
        };
        match followed.await {
            Ok(()) => return String::from_utf8(log).unwrap(),
            // The step has not begun, or will not.
            Err(error) if Error::kind(&error) == ErrorKind::NotFound => {
                let run = async || ann.run(of, number).await;
                if eventually(weather, run).await.phase == RunPhase::Finished {
                    return String::new();
                }
            }
            Err(error) => wait_out(weather, &error).await,
        }
        assert!(Instant::now() < deadline, "the task has no log");
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
}

async fn wait_for_end(ann: &Client, number: u64, weather: Weather) -> RunResponse {
    let deadline = Instant::now() + DEADLINE;
    loop {
        let run = async || ann.run(RunsOf::Project(PROJECT), number).await;
        let run = eventually(weather, run).await;
        // Its logs are collected at its end.
        if run.phase == RunPhase::Finished {
            return run;
        }
        assert!(Instant::now() < deadline, "the run does not end: {run:?}");
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
}

/// Makes something. In bad weather it is asked for again, and is there if only the answer was lost.
async fn done(weather: Weather, make: impl AsyncFn() -> Result<(), Error>) {
    let mut is_repeated = false;
    loop {
        match make().await {
            Ok(()) => return,
            Err(error) if is_repeated && error.code() == "already_exists" => return,
            Err(error) => wait_out(weather, &error).await,
        }
        is_repeated = true;
    }
}

/// The answer to a question, which is asked again in bad weather.
async fn eventually<T>(weather: Weather, ask: impl AsyncFn() -> Result<T, Error>) -> T {
    let deadline = Instant::now() + DEADLINE;
    loop {
        match ask().await {
            Ok(answer) => return answer,
            Err(error) => wait_out(weather, &error).await,
        }
        assert!(Instant::now() < deadline, "there is no answer");
    }
}

/// Waits a moment after a failure that bad weather explains. All others fail the test.
async fn wait_out(weather: Weather, error: &Error) {
    let kinds = [
        ErrorKind::Unavailable,
        ErrorKind::Unknown,
        ErrorKind::Conflict,
    ];
    let is_explained = weather == Weather::Kills && kinds.contains(&error.kind());
    assert!(
        is_explained,
        "{:?} {error}: {:?}",
        error.kind(),
        error.code()
    );
    tokio::time::sleep(LOOK_INTERVAL).await;
}
