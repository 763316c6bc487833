//! Events of runs.

use std::time::Duration;

use futures::{Stream, StreamExt};
use runservice::Error;
use runservice::api::RunEvent;
use tokio::time::timeout;

use crate::executor::{Executor, Script};
use crate::host::{Look, Server};
use crate::new_run::{Create, request, task};

const GROUP: &str = "/project/p1/branch/master";

async fn next(events: &mut (impl Stream<Item = Result<RunEvent, Error>> + Unpin)) -> RunEvent {
    let event = timeout(Duration::from_secs(20), events.next()).await;
    event.unwrap().unwrap().unwrap()
}

fn shown(event: &RunEvent) -> String {
    format!("{}/{}", event.phase, event.result)
}

#[tokio::test(flavor = "multi_thread")]
async fn events_come_as_they_happen_and_again_from_a_position() {
    let server = Server::new().await;
    let client = server.client();
    // The headers come before the first event does.
    let mut live = timeout(Duration::from_secs(5), client.run_events(None))
        .await
        .unwrap()
        .unwrap();
    let run = client.add_run(GROUP, [task("a")]).await;
    let id = run.run.id.clone();
    let first = next(&mut live).await;
    assert_eq!(
        (first.run_id.as_str(), shown(&first).as_str()),
        (id.as_str(), "queued/unknown")
    );
    let _executor = Executor::with(&client, |_| Script::default()).await;
    client.wait_for_end(&id).await;
    let mut seen = vec![first];
    while seen
        .last()
        .is_some_and(|event| shown(event) != "finished/success")
    {
        seen.push(next(&mut live).await);
    }
    let phases: Vec<String> = seen.iter().map(shown).collect();
    assert_eq!(
        phases,
        [
            "queued/unknown",
            "running/unknown",
            "running/success",
            "finished/success"
        ]
    );
    assert!(seen.is_sorted_by(|one, other| one.sequence < other.sequence));
    assert!(seen.iter().all(|event| event.sequence.len() == 27));
    // A client that was away goes on where it was.
    let mut again = client.run_events(Some(&seen[0].sequence)).await.unwrap();
    for expected in &seen[1..] {
        assert_eq!(next(&mut again).await, *expected);
    }
    // What comes then is live, for both.
    let mut faulty = request(GROUP, []);
    faulty.setup_errors = vec!["no".to_owned()];
    let faulty = client.create_run(&faulty).await.unwrap().run.unwrap();
    for events in [&mut live, &mut again] {
        let event = next(events).await;
        assert_eq!(
            (&event.run_id, shown(&event).as_str()),
            (&faulty.id, "setuperror/unknown")
        );
    }
    let queued = client.add_run(GROUP, [task("b").needs_approval()]).await;
    assert_eq!(next(&mut live).await.run_id, queued.run.id);
}

/// Streams end when the service stops, instead of holding it up.
#[tokio::test(flavor = "multi_thread")]
async fn streams_of_events_end_with_the_service() {
    let server = Server::new().await;
    let client = server.client();
    let mut events = client.run_events(None).await.unwrap();
    timeout(Duration::from_secs(8), server.stop())
        .await
        .unwrap();
    let last = timeout(Duration::from_secs(5), events.next())
        .await
        .unwrap();
    assert!(last.is_none_or(|event| event.is_err()));
}
