//! Commits whose replies are lost.

use super::*;

/// Field case DM-14: the reply to a commit was lost, it was told as failed though it stood, and its retry made a double.
#[test]
fn commits_whose_replies_are_lost_are_told_truly_and_counted_once() {
    const CLIENTS: usize = 2;
    const COUNT: usize = 50;
    let server = S3Server::start().unwrap();
    let proxy = TcpProxy::start(server.address(), 1).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let open = async |number: usize| {
            let ost = server.open_through(&proxy.endpoint(), "base");
            let builder = Builder::from_ost(ost).name(format!("client{number}"));
            builder.open().await.unwrap()
        };
        let stores = join_all((0..CLIENTS).map(open)).await;
        proxy
            .set_faults(ProxyFaults {
                lose: LostReplies::Every(10),
                ..ProxyFaults::default()
            })
            .unwrap();
        let clients = stores.iter().map(async |store| {
            for number in 0..COUNT {
                let marker = format!("{}-{number}", store.instance());
                increment_once(store, &marker).await;
            }
        });
        join_all(clients).await;
        proxy.set_faults(ProxyFaults::default()).unwrap();
        let lost = proxy.counts().replies_lost;
        assert!(lost > 20, "{lost} replies were lost");
        for store in &stores {
            let (present, counted) = read_until_done(store).await;
            let expected = CLIENTS * COUNT;
            assert_eq!((present.len(), counted), (expected, expected as u64));
            store.close().await.unwrap();
        }
    });
}

/// Raises the counter by one, as a client that looks up what it was not told.
async fn increment_once(store: &DataManager, marker: &str) {
    loop {
        let Err(error) = increment(store, marker).await else {
            return;
        };
        match (error.kind(), error.commit_id()) {
            (ErrorKind::Conflict | ErrorKind::Unavailable, _) => {}
            (ErrorKind::Unknown, Some(id)) => match outcome(store, id).await {
                Outcome::Committed => return,
                Outcome::NotCommitted => {}
                outcome => panic!("{marker} is {outcome:?}"),
            },
            _ => panic!("{marker}: {error:?}"),
        }
    }
}

/// What became of a commit, once that is decided.
async fn outcome(store: &DataManager, id: CommitId) -> Outcome {
    loop {
        match store.outcome(id).await {
            Ok(Outcome::Undecided) => tokio::time::sleep(Duration::from_millis(10)).await,
            Ok(decided) => return decided,
            Err(error) => assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}"),
        }
    }
}

#[test]
fn what_a_process_could_not_clear_up_itself_is_collected_when_it_is_old() {
    let mut site = Site::new(100);
    site.settings.maintain = false;
    let process = site.process("a");
    let (probe, time) = ("base/recovery/probe-1", "base/recovery/time-2");
    let kept = "base/recovery/damaged-manifests-0000000001-00000000000000000002.json";
    site.run(async || {
        let store = site.open(&process).await;
        for key in [probe, time, kept] {
            site.objects.put_directly(key, "");
        }
        let left = || {
            let keys = site.objects.keys().into_iter();
            keys.filter(|key| key.starts_with("base/recovery/")).count()
        };
        store.collect_garbage().await.unwrap();
        assert_eq!(left(), 3, "somebody may be at it");
        process.sleep(Duration::from_secs(700)).await;
        store.collect_garbage().await.unwrap();
        assert_eq!(left(), 1);
        assert!(site.objects.content(kept).is_some());
        store.close().await.unwrap();
    });
}
