//! Lists of runs.

use runservice::api::{Run, RunCreateRequest, RunPhase, RunResult};
use runservice::client::{Client, GroupRunsQuery, RunsQuery};

use crate::executor::{Executor, Script};
use crate::host::{Look, Server, assert_not_found};
use crate::new_run::{request, task};

/// Numbers that look random, the same ones each time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % bound
    }

    fn is_lucky(&mut self) -> bool {
        self.below(2) == 0
    }

    fn some<T: Copy>(&mut self, of: &[T]) -> Vec<T> {
        of.iter().copied().filter(|_| self.below(3) == 0).collect()
    }
}

const GROUPS: [&str; 5] = [
    "/project/p1/branch/feature%2Fa",
    "/project/p1/branch/featureXX2Fa",
    "/project/p1/branch/Feature%2Fa",
    "/project/p1/branch",
    "/project/p2/pr/7",
];
const PHASES: [RunPhase; 5] = [
    RunPhase::SetupError,
    RunPhase::Queued,
    RunPhase::Cancelled,
    RunPhase::Running,
    RunPhase::Finished,
];
const RESULTS: [RunResult; 4] = [
    RunResult::Unknown,
    RunResult::Stopped,
    RunResult::Success,
    RunResult::Failed,
];

fn is_in(run: &Run, group: &str) -> bool {
    format!("{}/", run.group).starts_with(&format!("{group}/"))
}

/// What a query should find, in the simplest way.
fn expected(all: &[Run], query: &RunsQuery) -> Vec<String> {
    let mut found: Vec<&Run> = all
        .iter()
        .filter(|run| query.phases.is_empty() || query.phases.contains(&run.phase))
        .filter(|run| query.results.is_empty() || query.results.contains(&run.result))
        .filter(|run| query.groups.is_empty() || query.groups.iter().any(|group| is_in(run, group)))
        .collect();
    if query.last_run && !query.groups.is_empty() {
        let newest = |run: &&Run| {
            let mut others = found.iter().filter(|other| other.group == run.group);
            others.all(|other| other.id <= run.id)
        };
        found = found.clone().into_iter().filter(newest).collect();
    }
    found.sort_by(|one, other| one.id.cmp(&other.id));
    if !query.ascending {
        found.reverse();
    }
    let limit = usize::try_from(query.limit.unwrap_or(25).min(40)).unwrap();
    found
        .into_iter()
        .filter(|run| match (&query.start, query.ascending) {
            (None, _) => true,
            (Some(start), true) => run.id > *start,
            (Some(start), false) => run.id < *start,
        })
        .take(limit)
        .map(|run| run.id.clone())
        .collect()
}

fn expected_of_group(all: &[Run], group: &str, query: &GroupRunsQuery) -> Vec<String> {
    let start = query.start.filter(|start| *start > 0);
    let runs: Vec<Run> = all
        .iter()
        .filter(|run| match (start, query.ascending) {
            (None, _) => true,
            (Some(start), true) => run.counter > start,
            (Some(start), false) => run.counter < start,
        })
        .cloned()
        .collect();
    let query = RunsQuery {
        phases: query.phases.clone(),
        results: query.results.clone(),
        groups: vec![group.to_owned()],
        ascending: query.ascending,
        limit: query.limit,
        ..RunsQuery::default()
    };
    expected(&runs, &query)
}

/// Runs in all phases and with all results, some archived. Nothing changes afterwards.
async fn fill(server: &Server) -> Vec<Run> {
    let client = server.client();
    let executor = Executor::with(&client, |name| match name {
        "failed" => Script::failed(),
        "held" => Script::held(),
        _ => Script::default(),
    })
    .await;
    let mut numbers = Numbers(7);
    for number in 0..60 {
        let group = GROUPS[numbers.below(GROUPS.len())];
        let kind = numbers.below(6);
        let name = ["success", "failed", "held"][kind % 3];
        let mut new = request(group, [task(name)]);
        if kind == 3 {
            new.setup_errors = vec!["no".to_owned()];
        }
        let run = client.create_run(&new).await.unwrap().run.unwrap();
        match kind {
            // Setup errors, and those that stay queued.
            3 => {}
            4 if number % 2 == 0 => client.cancel_run(&run.id, "").await.unwrap(),
            4 => {}
            kind => {
                client.start_run(&run.id, "").await.unwrap();
                match kind {
                    2 if number % 4 == 0 => {}
                    2 | 5 => {
                        client.stop_run(&run.id, "").await.unwrap();
                        client.wait_for_end(&run.id).await;
                    }
                    _ => {
                        client.wait_for_end(&run.id).await;
                    }
                }
            }
        }
    }
    drop(executor);
    let mut all = Vec::new();
    let mut start = None;
    loop {
        let query = RunsQuery {
            ascending: true,
            start: start.clone(),
            limit: Some(7),
            ..RunsQuery::default()
        };
        let page = client.runs(&query).await.unwrap().runs;
        let Some(last) = page.last() else { break };
        start = Some(last.id.clone());
        all.extend(page);
    }
    assert_eq!(all.len(), 60);
    all
}

async fn ids(client: &Client, query: &RunsQuery) -> Vec<String> {
    let runs = client.runs(query).await.unwrap().runs;
    runs.into_iter().map(|run| run.id).collect()
}

/// Field case CI-21: filters that were combined gave wrong or empty pages.
#[tokio::test(flavor = "multi_thread")]
async fn lists_are_what_a_simple_filter_finds() {
    let server = Server::with(|settings| settings.runs.start_queued_runs = false).await;
    let all = fill(&server).await;
    let client = server.client();
    for phase in PHASES {
        assert!(all.iter().any(|run| run.phase == phase), "{phase}");
    }
    for result in RESULTS {
        assert!(all.iter().any(|run| run.result == result), "{result}");
    }
    let mut numbers = Numbers(11);
    let groups = [
        "/project/p1",
        "/project",
        "/project/p1/branch/feature",
        "/none/x",
    ];
    let groups = [&GROUPS[..], &groups[..]].concat();
    for _ in 0..300 {
        let start = numbers
            .is_lucky()
            .then(|| all[numbers.below(all.len())].id.clone());
        let query = RunsQuery {
            phases: numbers.some(&PHASES),
            results: numbers.some(&RESULTS),
            groups: numbers
                .some(&groups)
                .into_iter()
                .map(str::to_owned)
                .collect(),
            last_run: numbers.is_lucky(),
            ascending: numbers.is_lucky(),
            start,
            limit: [None, Some(0), Some(3), Some(100)][numbers.below(4)],
            change_groups: Vec::new(),
        };
        assert_eq!(
            ids(&client, &query).await,
            expected(&all, &query),
            "{query:?}"
        );
    }
    for _ in 0..200 {
        let group = groups[numbers.below(groups.len())];
        let query = GroupRunsQuery {
            phases: numbers.some(&PHASES),
            results: numbers.some(&RESULTS),
            ascending: numbers.is_lucky(),
            start: numbers
                .is_lucky()
                .then(|| u64::try_from(numbers.below(40)).unwrap()),
            limit: [None, Some(0), Some(3), Some(100)][numbers.below(4)],
            change_groups: Vec::new(),
        };
        let found = client.group_runs(group, &query).await.unwrap().runs;
        let found: Vec<String> = found.into_iter().map(|run| run.id).collect();
        assert_eq!(
            found,
            expected_of_group(&all, group, &query),
            "{group} {query:?}"
        );
    }
    let last = ids(&client, &RunsQuery::last_of("/project/p1")).await;
    let newest = all.iter().rev().find(|run| is_in(run, "/project/p1"));
    assert_eq!(last, [newest.unwrap().id.clone()]);
}

/// A number belongs to a root group: above these it names no run.
#[tokio::test(flavor = "multi_thread")]
async fn a_number_names_a_run_below_a_root_group() {
    let server = Server::new().await;
    let client = server.client();
    let faulty = RunCreateRequest {
        setup_errors: vec!["no".to_owned()],
        ..request("/project/p1/branch/b", [])
    };
    let run = client.create_run(&faulty).await.unwrap().run.unwrap();
    for group in ["/project/p1", "/project/p1/branch", "/project/p1/branch/b"] {
        let found = client.group_run(group, 1, &[]).await.unwrap();
        assert_eq!(found.run.unwrap().id, run.id, "{group}");
    }
    for group in [
        "/project",
        "/project/p",
        "/project/p2",
        "/project/p1/branch/B",
        "x",
    ] {
        assert_not_found(client.group_run(group, 1, &[]).await);
    }
}
