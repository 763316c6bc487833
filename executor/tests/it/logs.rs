//! Logs: live, stored, and equal to what the commands wrote.

use std::time::{Duration, Instant, SystemTime};

use futures::StreamExt;
use runservice::client::{Client, LogStep, TaskLog};
use sha2::{Digest, Sha256};

use crate::host::{Look, Server, count_from, whole};
use crate::new_run::Create;
use crate::place::{GROUP, Place};
use crate::program::Executor;
use crate::whole_run::log_of;

/// How long a line may take from the command to a follower.
const LIVE: Duration = Duration::from_secs(1);
/// How long after a step its log may be followed on.
const END: Duration = Duration::from_secs(5);

/// What follows a log, as a task of its own: all bytes, and when the log ended.
fn follow(
    client: &Client,
    run: &str,
    task: &str,
    step: u32,
) -> tokio::task::JoinHandle<(Vec<u8>, Instant)> {
    let (client, run, task) = (client.clone(), run.to_owned(), task.to_owned());
    tokio::spawn(async move {
        let log = TaskLog {
            run: &run,
            task: &task,
            step: LogStep::Step(step),
        };
        let bytes = whole(client.follow_log(&log).await.unwrap()).await;
        (bytes, Instant::now())
    })
}

/// Field case CI-14: the end of a log was missing when a step wrote much and ended at once, mostly without a last newline.
/// `DM_SOAK_LOG_ROUNDS` sets how often.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_whole_when_the_step_writes_much_and_ends_at_once() {
    let server = Server::new().await;
    let client = server.client();
    let _executor = Executor::start(&server.url()).await;
    let place = Place::new();
    for round in 0..count_from("DM_SOAK_LOG_ROUNDS", 3) {
        // It waits until it is followed.
        let command = "until test -e $PLACE/go; do sleep 0.02; done
            head -c 1048576 /dev/urandom | od -An -v -tx1 | head -c 1048576 > $PLACE/written
            printf 'the end' >> $PLACE/written
            cat $PLACE/written";
        let run = client.add_run(GROUP, [place.task("a", &[command])]).await;
        let (id, a) = (run.run.id.clone(), run.task_id("a"));
        client
            .wait_for(&id, "a runs", |run| {
                run.task("a").steps[0].start_time.is_some()
            })
            .await;
        let following = follow(&client, &id, &a, 0);
        place.write("go", "");
        let run = client
            .wait_for(&id, "the step has ended", |run| {
                run.task("a").end_time.is_some()
            })
            .await;
        let step_ended = Instant::now();
        let (followed, log_ended) = following.await.unwrap();
        let late = log_ended.saturating_duration_since(step_ended);
        assert!(late < END, "it was followed for {late:?} after its end");
        client.wait_for_end(&id).await;
        let stored = log_of(&client, &id, &a, 0).await;
        let written = std::fs::read(place.path("written")).unwrap();
        assert_eq!(written.len(), 1_048_576 + 7);
        let hash = |bytes: &[u8]| (bytes.len(), Sha256::digest(bytes));
        assert_eq!(hash(&stored), hash(&written), "round {round}: stored");
        assert_eq!(hash(&followed), hash(&written), "round {round}: followed");
        assert_eq!(run.task("a").steps[0].exit_status, Some(0));
        std::fs::remove_file(place.path("go")).unwrap();
    }
}

/// 8 MiB, or as many as `DM_SOAK_LOG_MIB` says.
#[tokio::test(flavor = "multi_thread")]
async fn a_large_log_is_stored_as_it_was_written() {
    let bytes = count_from("DM_SOAK_LOG_MIB", 8) * 1024 * 1024 + 5;
    let server = Server::new().await;
    let client = server.client();
    let _executor = Executor::start(&server.url()).await;
    let place = Place::new();
    // No newline at the end, nor anything that is text.
    let command = format!("head -c {bytes} /dev/urandom | tee $PLACE/written");
    let run = client.add_run(GROUP, [place.task("a", &[&command])]).await;
    let run = client.wait_for_end(&run.run.id).await;
    assert_eq!(run.outcome(), "finished success a:success");
    let log = TaskLog {
        run: &run.run.id,
        task: &run.task_id("a"),
        step: LogStep::Step(0),
    };
    let mut stream = client.log(&log).await.unwrap();
    let (mut length, mut hash) = (0, Sha256::new());
    while let Some(piece) = stream.next().await {
        let piece = piece.unwrap();
        length += piece.len();
        hash.update(&piece);
    }
    assert_eq!(length, bytes);
    let written = std::fs::read(place.path("written")).unwrap();
    assert!(
        hash.finalize() == Sha256::digest(written),
        "the bytes differ"
    );
}

/// Each line says when it was written.
#[tokio::test(flavor = "multi_thread")]
async fn a_follower_sees_each_line_while_the_step_goes_on() {
    let server = Server::new().await;
    let client = server.client();
    let _executor = Executor::start(&server.url()).await;
    let place = Place::new();
    let command = "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do date +%s%N; sleep 0.15; done";
    let run = client.add_run(GROUP, [place.task("a", &[command])]).await;
    let (id, a) = (run.run.id.clone(), run.task_id("a"));
    client
        .wait_for(&id, "a runs", |run| {
            run.task("a").steps[0].start_time.is_some()
        })
        .await;
    let log = TaskLog {
        run: &id,
        task: &a,
        step: LogStep::Step(0),
    };
    let mut stream = client.follow_log(&log).await.unwrap();
    let began = SystemTime::now();
    let (mut lags, mut text) = (Vec::new(), String::new());
    while let Some(piece) = stream.next().await {
        text.push_str(str::from_utf8(&piece.unwrap()).unwrap());
        while let Some((line, rest)) = text.split_once('\n') {
            let written = Duration::from_nanos(line.parse().unwrap());
            let written = SystemTime::UNIX_EPOCH + written;
            // What was written before the log was followed says nothing.
            if written >= began {
                lags.push(written.elapsed().unwrap_or_default());
            }
            text = rest.to_owned();
        }
    }
    lags.sort();
    eprintln!("lines come to a follower within {lags:?}");
    assert!(lags.len() >= 3, "the log was followed too late: {lags:?}");
    assert!(lags[lags.len() / 2] < LIVE, "{lags:?}");
}

/// Field case CI-13: a follower got no headers until the step wrote something.
#[tokio::test(flavor = "multi_thread")]
async fn a_follower_of_a_silent_step_gets_its_headers_at_once() {
    let server = Server::new().await;
    let client = server.client();
    let executor = Executor::start(&server.url()).await;
    let place = Place::new();
    let command = "touch $PLACE/runs; until test -e $PLACE/go; do sleep 0.05; done; printf x";
    let run = client.add_run(GROUP, [place.task("a", &[command])]).await;
    let (id, a) = (run.run.id.clone(), run.task_id("a"));
    place.wait_for("runs").await;
    let own = format!(
        "{}/api/v1alpha/executor/logs?taskid={a}&step=0&follow",
        executor.url()
    );
    let service = format!(
        "{}/api/v1alpha/logs?runid={id}&taskid={a}&step=0&follow",
        server.url()
    );
    let mut answers = Vec::new();
    for url in [own, service] {
        let answer = tokio::time::timeout(Duration::from_secs(2), reqwest::get(&url)).await;
        let answer = answer.unwrap_or_else(|_| panic!("no headers from {url}"));
        let answer = answer.unwrap();
        assert_eq!(answer.status(), 200, "{url}");
        assert_eq!(answer.headers()["cache-control"], "no-cache", "{url}");
        answers.push(answer);
    }
    place.write("go", "");
    for answer in answers {
        assert_eq!(answer.bytes().await.unwrap(), "x");
    }
    client.wait_for_end(&id).await;
}

/// 10,000 short lines a second, for one second or as many as `DM_SOAK_LOG_SECONDS` says, while another task goes on.
#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_lines_a_second_are_all_there_and_hinder_nobody() {
    let seconds = count_from("DM_SOAK_LOG_SECONDS", 1);
    let server = Server::new().await;
    let client = server.client();
    let _executor = Executor::start(&server.url()).await;
    let place = Place::new();
    // Each tenth of a second 1,000 lines, each written by a call of its own.
    let command = format!(
        "until test -e $PLACE/go; do sleep 0.02; done; i=0
        while test $i -lt {}; do
            j=0; while test $j -lt 1000; do echo line $i $j; j=$((j+1)); done
            i=$((i+1)); sleep 0.1
        done; touch $PLACE/done",
        seconds * 10
    );
    let tasks = [place.task("loud", &[&command])];
    let run = client.add_run(GROUP, tasks).await;
    let (id, loud) = (run.run.id.clone(), run.task_id("loud"));
    client
        .wait_for(&id, "it runs", |run| {
            run.task("loud").steps[0].start_time.is_some()
        })
        .await;
    let following = follow(&client, &id, &loud, 0);
    place.write("go", "");
    let other = client
        .add_run("/project/p2/branch/b", [place.task("quiet", &["true"])])
        .await;
    let began = Instant::now();
    client.wait_for_end(&other.run.id).await;
    let took = began.elapsed();
    let run = client.wait_for_end(&id).await;
    assert_eq!(run.outcome(), "finished success loud:success");
    let lines = |i: usize| (0..1000).map(move |j| format!("line {i} {j}\n"));
    let expected: String = (0..seconds * 10).flat_map(lines).collect();
    let stored = log_of(&client, &id, &loud, 0).await;
    assert!(stored == expected.as_bytes(), "the stored log differs");
    let (followed, _) = following.await.unwrap();
    assert!(followed == expected.as_bytes(), "the followed log differs");
    assert!(took < Duration::from_secs(10), "another task took {took:?}");
}

/// A log that is too long says so, and the step goes on.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_beyond_its_bound_ends_with_a_note_and_the_step_goes_on() {
    let server = Server::new().await;
    let client = server.client();
    let limits = [("logBytesMax", "100000")];
    let executor = Executor::with(&server.url(), &limits).await;
    let place = Place::new();
    let command = "head -c 2000000 /dev/zero | tr '\\0' x; touch $PLACE/done; exit 7";
    let run = client.add_run(GROUP, [place.task("a", &[command])]).await;
    let run = client.wait_for_end(&run.run.id).await;
    assert!(place.has("done"));
    assert_eq!(run.task("a").steps[0].exit_status, Some(7));
    let log = log_of(&client, &run.run.id, &run.task_id("a"), 0).await;
    assert!(log.len() < 101_000, "{} bytes", log.len());
    assert!(log.starts_with(&[b'x'; 99_000]));
    let end = String::from_utf8_lossy(&log[log.len() - 200..]).into_owned();
    assert!(end.contains("100000"), "{end}");
    drop(executor);
}

/// With a terminal lines end as they do on terminals, and what is written to both outputs is in order.
#[tokio::test(flavor = "multi_thread")]
async fn both_outputs_are_in_one_log_in_order() {
    let server = Server::new().await;
    let client = server.client();
    let _executor = Executor::start(&server.url()).await;
    let place = Place::new();
    let command = "for i in 1 2 3; do echo out $i; echo err $i >&2; done; printf end";
    let tasks = [place.task("a", &[command, "cat; test ! -t 0; test ! -t 1"])];
    let run = client.add_run(GROUP, tasks).await;
    let run = client.wait_for_end(&run.run.id).await;
    assert_eq!(
        run.outcome(),
        "finished success a:success",
        "no input, no terminal"
    );
    let log = log_of(&client, &run.run.id, &run.task_id("a"), 0).await;
    let expected = "out 1\nerr 1\nout 2\nerr 2\nout 3\nerr 3\nend";
    assert_eq!(String::from_utf8(log).unwrap(), expected);
}
