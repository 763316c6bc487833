//! Seeded runs of several processes that write documents in every way, die and come back; after which, and meanwhile, every
//! snapshot has indexes that are exactly what its documents make of them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use datamanager::environment::Environment;
use datamanager::testing::{ObjectFaults, SimulatedEnvironment};
use datamanager::{DataManager, Error, ErrorKind, Query, ScanOptions};

use super::User;
use crate::site::Site;

/// Of a snapshot: each index against the documents. Returns whether all could be read, and all indexes asked.
async fn check(store: &DataManager, seed: u64) -> bool {
    match try_check(store, seed).await {
        Ok(()) => true,
        // Files are collected as soon as they have been merged here, also those that a snapshot reads.
        Err(error) if matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Expired) => false,
        Err(error) => panic!("seed {seed}: {error:?}"),
    }
}

async fn try_check(store: &DataManager, seed: u64) -> Result<(), Error> {
    let snapshot = store.snapshot();
    let users = snapshot.documents::<User>(&ScanOptions::new())?;
    let users = users.collect().await?;
    let mut by_name = BTreeMap::new();
    for user in &users {
        let other = by_name.insert(user.name.clone(), user.id.clone());
        assert_eq!(
            other, None,
            "seed {seed}: two documents are named {:?}",
            user.name
        );
    }
    let mut by_team: Vec<_> = users
        .iter()
        .map(|user| (user.team.clone(), user.age, user.id.clone()))
        .collect();
    by_team.sort();
    let found = snapshot.query::<User>(&Query::by("team_age")).await?;
    let found = found.collect().await?;
    let found: Vec<_> = found
        .into_iter()
        .map(|user| (user.team, user.age, user.id))
        .collect();
    assert_eq!(found, by_team, "seed {seed}: index team_age");
    let found = snapshot.query::<User>(&Query::by("name")).await?;
    let found = found.collect().await?;
    let found: BTreeMap<_, _> = found.into_iter().map(|user| (user.name, user.id)).collect();
    assert_eq!(found, by_name, "seed {seed}: index name");
    let backwards = Query::by("name").descending();
    let count = snapshot.count_by::<User>(&backwards).await?;
    assert_eq!(
        count,
        users.len() as u64,
        "seed {seed}: index name, backwards"
    );
    Ok(())
}

/// One random change; what it may fail with is an answer too.
async fn change(store: &DataManager, process: &SimulatedEnvironment) -> Result<(), Error> {
    let mut random = [0u8; 8];
    process.fill_random(&mut random);
    let [kind, id, name, team, ..] = random;
    let (id, name) = (format!("i{}", id % 12), format!("n{}", name % 16));
    let team = ["red", "redder", "blue"][usize::from(team) % 3];
    let user = User::new(&id, &name, team, u32::from(kind % 5));
    let mut transaction = store.begin();
    match kind % 20 {
        0..8 => transaction.put(&user)?,
        8..11 => transaction.delete::<User>(&id)?,
        11..15 => {
            // Takes the name from who has it.
            if let Some(other) = transaction.find::<User>("name", name.as_str()).await? {
                transaction.delete::<User>(&other.id)?;
            }
            transaction.put(&user)?;
        }
        15..18 => {
            let query = Query::by("team_age").equal(team).limit(3);
            let found = transaction.query::<User>(&query).await?.collect().await?;
            for (number, mut member) in found.into_iter().enumerate() {
                member.age += 1;
                member.name = format!("{name}-{number}");
                transaction.put(&member)?;
            }
        }
        18 => {
            transaction.allow_stale_indexes();
            transaction.delete_raw("user", &id)?;
        }
        _ => return store.mark_indexes_stale("user").await,
    }
    transaction.commit().await.map(drop)
}

const PROCESSES: u32 = 3;
const LIVES: u32 = 2;
const CLIENTS: u32 = 3;
const CHANGES: u32 = 12;

async fn client(store: &DataManager, process: &SimulatedEnvironment, seed: u64) -> (u32, u32) {
    let (mut committed, mut asked) = (0, 0);
    for _ in 0..CHANGES {
        match change(store, process).await {
            Ok(()) => committed += 1,
            Err(error) => assert!(
                matches!(
                    error.kind(),
                    ErrorKind::Conflict
                        | ErrorKind::NotUnique
                        | ErrorKind::Unavailable
                        | ErrorKind::Unknown
                        // Nothing is kept here, so that another process may have removed what the transaction reads.
                        | ErrorKind::Expired
                        // There is no document yet, and so no index.
                        | ErrorKind::NotFound
                ),
                "seed {seed}: {error:?}"
            ),
        }
        asked += u32::from(check(store, seed).await);
    }
    (committed, asked)
}

fn sum(counts: Vec<(u32, u32)>) -> (u32, u32) {
    counts.into_iter().fold((0, 0), |sum, (committed, asked)| {
        (sum.0 + committed, sum.1 + asked)
    })
}

/// The lives of one process. All but the last end by losing power at some step.
async fn live(place: &Place, number: u32) -> (u32, u32) {
    let site = &place.site;
    let (mut committed, mut asked) = (0, 0);
    for life in 0..LIVES {
        let name = format!("p{number}-{life}");
        let process = site.process(&name);
        let is_last = life + 1 == LIVES;
        let work = {
            let builder = place.builder(&process);
            let seed = site.seed;
            let own = process.clone();
            move || async move {
                let store = open(builder, &own).await;
                let clients = (0..CLIENTS).map(|_| client(&store, &own, seed));
                let counts = futures::future::join_all(clients).await;
                // It may have been busy with a job whose requests fail.
                while let Err(error) = store.close().await {
                    assert_eq!(
                        error.kind(),
                        ErrorKind::Unavailable,
                        "seed {seed}: {error:?}"
                    );
                    own.sleep(Duration::from_millis(50)).await;
                }
                sum(counts)
            }
        };
        if !is_last {
            let mut random = [0u8; 2];
            process.fill_random(&mut random);
            process.kill_after(200 + u64::from(u16::from_le_bytes(random) % 2_000));
        }
        if let Some((more, checks)) = process.run("life", work()).await {
            committed += more;
            asked += checks;
        }
    }
    (committed, asked)
}

async fn open(builder: datamanager::Builder, process: &Arc<SimulatedEnvironment>) -> DataManager {
    loop {
        match builder.clone().open().await {
            Ok(store) => return store,
            Err(error) if error.kind() == ErrorKind::Unavailable => {
                process.sleep(Duration::from_millis(50)).await;
            }
            Err(error) => panic!("{error:?}"),
        }
    }
}

/// Where the log is.
#[derive(Clone, Copy)]
enum Kind {
    Objects,
    #[cfg(feature = "etcd")]
    Etcd,
}

/// An object storage and maybe an etcd, of whose requests some fail.
struct Place {
    site: Site,
    #[cfg(feature = "etcd")]
    etcd: Option<datamanager::testing::SimulatedEtcd>,
}

impl Place {
    fn new(kind: Kind, seed: u64) -> Place {
        let site = Site::new(seed).with_busy_jobs();
        match kind {
            Kind::Objects => Place {
                site,
                #[cfg(feature = "etcd")]
                etcd: None,
            },
            #[cfg(feature = "etcd")]
            Kind::Etcd => Place {
                etcd: Some(datamanager::testing::SimulatedEtcd::new(&site.simulation)),
                site,
            },
        }
    }

    fn builder(&self, process: &Arc<SimulatedEnvironment>) -> datamanager::Builder {
        let builder = self.site.builder(process);
        #[cfg(feature = "etcd")]
        if let Some(etcd) = &self.etcd {
            return builder.etcd(etcd.options(process, "/dm"));
        }
        builder
    }

    /// Lets a share of the requests fail, before or after they have had an effect.
    fn set_faults(&self, share: f64) {
        self.site.objects.set_faults(ObjectFaults {
            error_before: share,
            error_after: share,
            ..ObjectFaults::default()
        });
        #[cfg(feature = "etcd")]
        if let Some(etcd) = &self.etcd {
            etcd.set_faults(datamanager::testing::EtcdFaults {
                error_before: share,
                reply_lost: share,
                ..datamanager::testing::EtcdFaults::default()
            });
        }
    }
}

fn run(kind: Kind, seed: u64) -> (u32, u32) {
    let place = Place::new(kind, seed);
    place.set_faults(if seed.is_multiple_of(2) { 0.02 } else { 0.0 });
    place.site.run(async || {
        let lives = (0..PROCESSES).map(|number| live(&place, number));
        let counts = futures::future::join_all(lives).await;
        place.set_faults(0.0);
        // Whoever comes last finds everything in order, and can finish what the others had begun.
        let process = place.site.process("last");
        let store = open(place.builder(&process), &process).await;
        let users = store.collection::<User>().unwrap();
        users
            .wait_for_indexes(Duration::from_secs(60))
            .await
            .unwrap();
        assert!(check(&store, seed).await);
        let verified = users.verify_indexes().await.unwrap();
        assert!(verified.damage.is_empty(), "seed {seed}: {verified:?}");
        store.close().await.unwrap();
        sum(counts)
    })
}

fn run_seeds(kind: Kind) {
    let first: u64 = std::env::var("DM_SEED").map_or(1, |seed| seed.parse().unwrap());
    let rounds: u64 = std::env::var("DM_SOAK_ROUNDS").map_or(4, |rounds| rounds.parse().unwrap());
    let (committed, asked) = sum((first..first + rounds)
        .map(|seed| run(kind, seed))
        .collect());
    let least = 20 * u32::try_from(rounds).unwrap();
    assert!(
        committed >= least && asked >= least,
        "the runs came to {committed} commits and {asked} looks at complete indexes"
    );
}

#[test]
fn indexes_are_what_the_documents_make_of_them_whoever_dies_when() {
    run_seeds(Kind::Objects);
}

#[cfg(feature = "etcd")]
#[test]
fn indexes_are_what_the_documents_make_of_them_with_a_log_in_etcd() {
    run_seeds(Kind::Etcd);
}
