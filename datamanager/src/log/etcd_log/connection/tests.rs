//! The same calls on a real etcd and on the simulated one, and the same answers.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use etcd_client::{
    Compare, CompareOp, DeleteOptions, GetOptions, KeyValue, PutOptions, Txn, TxnOp, TxnOpResponse,
};

use super::super::client::{EtcdClient, Failure};
use crate::EtcdOptions;
use crate::environment::{Environment, SeededRandom, TokioEnvironment};
use crate::testing::{Etcd, EtcdOptions as Cluster, SimulatedEtcd, Simulation};

const KEYS: [&str; 6] = ["p/a", "p/b", "p/c", "p/d", "q/a", "q/b"];
const VALUES: [&str; 3] = ["", "1", "2"];
/// Leases that a script has, at most.
const LEASES: usize = 3;
const CALLS: usize = 150;
/// What each script ends with.
const LAST_KEY: &str = "p/last";

/// Makes calls from a seed, and writes down what comes of them.
struct Script<'a> {
    client: &'a EtcdClient,
    random: SeededRandom,
    /// By their place, as their ids differ.
    leases: Vec<i64>,
    /// The revisions at which keys were seen to be changed.
    seen: BTreeMap<String, i64>,
    revision: i64,
    compacted: i64,
    answers: Vec<String>,
}

impl Script<'_> {
    async fn run(client: &EtcdClient, seed: u64) -> Vec<String> {
        let mut script = Script {
            client,
            random: SeededRandom::new(seed),
            leases: Vec::new(),
            seen: BTreeMap::new(),
            revision: 1,
            compacted: 0,
            answers: Vec::new(),
        };
        for number in 0..CALLS {
            let answer = script.call().await;
            script.answers.push(format!("{number}: {answer}"));
        }
        let last = Txn::new().and_then([TxnOp::put(LAST_KEY, "x", None)]);
        script.txn(last).await;
        script.watch().await;
        script.answers
    }

    async fn call(&mut self) -> String {
        match self.random.below(12) {
            0 => self.delete_range().await,
            1 if self.leases.len() < LEASES => {
                let granted = self.client.grant_lease(600).await;
                self.leases.extend(granted.as_ref().ok());
                format!("grant {:?}", granted.map(drop).map_err(told))
            }
            2 if !self.leases.is_empty() => {
                let place = self.random.below(self.leases.len());
                let kept = self.client.keep_lease(self.leases[place]).await;
                format!("keep {place} {:?}", kept.map_err(told))
            }
            3 if !self.leases.is_empty() && self.random.below(4) == 0 => {
                let place = self.random.below(self.leases.len());
                let revoked = self.client.revoke_lease(self.leases[place]).await;
                format!("revoke {place} {:?}", revoked.map_err(told))
            }
            4 if self.random.below(4) == 0 => {
                let ago = self.random.below(12) as i64;
                let revision = self.revision + 2 - ago;
                let compacted = self.client.compact(revision).await;
                if compacted.is_ok() {
                    self.compacted = revision;
                }
                format!("compact {revision} {:?}", compacted.map_err(told))
            }
            _ => {
                let txn = self.draw_txn();
                self.txn(txn).await
            }
        }
    }

    async fn delete_range(&mut self) -> String {
        let (first, end) = [("p/b", "p/d"), ("p/", "p0"), ("q/a", "q/b")][self.random.below(3)];
        let deleted = self.client.delete_range(first, end).await;
        format!("delete {first} to {end} {:?}", deleted.map_err(told))
    }

    async fn txn(&mut self, txn: Txn) -> String {
        let answer = match self.client.txn("do it", txn).await {
            Ok(answer) => answer,
            Err(failure) => return format!("txn {}", told(failure)),
        };
        self.revision = answer.header().unwrap().revision();
        let responses = answer.op_responses();
        let mut text = format!("txn {} at {}", answer.succeeded(), self.revision);
        for response in &responses {
            text += &match response {
                TxnOpResponse::Put(_) => " put".to_owned(),
                TxnOpResponse::Delete(deleted) => format!(" deleted {}", deleted.deleted()),
                TxnOpResponse::Get(found) => {
                    for kv in found.kvs() {
                        let key = String::from_utf8(kv.key().to_vec()).unwrap();
                        self.seen.insert(key, kv.mod_revision());
                    }
                    let kvs: Vec<String> = found.kvs().iter().map(|kv| self.show(kv)).collect();
                    format!(" found {} {} {kvs:?}", found.count(), found.more())
                }
                TxnOpResponse::Txn(_) => panic!("there are none"),
            };
        }
        text
    }

    fn show(&self, kv: &KeyValue) -> String {
        let place = self.leases.iter().position(|lease| *lease == kv.lease());
        format!(
            "{}={} created {} changed {} version {} lease {place:?}",
            String::from_utf8_lossy(kv.key()),
            String::from_utf8_lossy(kv.value()),
            kv.create_revision(),
            kv.mod_revision(),
            kv.version(),
        )
    }

    fn draw_txn(&mut self) -> Txn {
        let compares: Vec<Compare> = (0..self.random.below(3)).map(|_| self.compare()).collect();
        let then: Vec<TxnOp> = (0..1 + self.random.below(3))
            .map(|_| self.operation())
            .collect();
        let otherwise: Vec<TxnOp> = (0..self.random.below(3))
            .map(|_| self.operation())
            .collect();
        Txn::new().when(compares).and_then(then).or_else(otherwise)
    }

    fn key(&mut self) -> &'static str {
        KEYS[self.random.below(KEYS.len())]
    }

    fn value(&mut self) -> &'static str {
        VALUES[self.random.below(VALUES.len())]
    }

    fn compare(&mut self) -> Compare {
        let key = self.key();
        let operators = [
            CompareOp::Equal,
            CompareOp::Greater,
            CompareOp::Less,
            CompareOp::NotEqual,
        ];
        let operator = operators[self.random.below(8).saturating_sub(4)];
        let seen = self.seen.get(key).copied().unwrap_or(0);
        match self.random.below(4) {
            0 => Compare::version(key, operator, self.random.below(3) as i64),
            1 => Compare::mod_revision(key, operator, seen),
            2 => Compare::create_revision(key, operator, seen),
            _ => Compare::value(key, operator, self.value()),
        }
    }

    fn operation(&mut self) -> TxnOp {
        let key = self.key();
        match self.random.below(6) {
            0 => TxnOp::get(key, None),
            1 => {
                let options = GetOptions::new().with_prefix();
                let options = match self.random.coin() {
                    true => options.with_limit(1 + self.random.below(3) as i64),
                    false => options,
                };
                TxnOp::get("p/", Some(options))
            }
            2 => TxnOp::delete(key, None),
            3 if self.random.coin() => {
                TxnOp::delete("q/", Some(DeleteOptions::new().with_prefix()))
            }
            _ => {
                let lease = self.random.below(LEASES + 2);
                let options = self.leases.get(lease).copied();
                let options = options.map(|lease| PutOptions::new().with_lease(lease));
                TxnOp::put(key, self.value(), options)
            }
        }
    }

    /// Watches from now on, from the middle of the history, and from before what is left of it.
    async fn watch(&mut self) {
        let middle = (self.compacted + self.revision) / 2 + 1;
        for revision in [self.revision, middle, 1] {
            let told = self.watch_from(revision).await;
            self.answers
                .push(format!("watch from {revision}: {told:?}"));
        }
    }

    async fn watch_from(&self, revision: i64) -> Vec<String> {
        let mut watch = self.client.watch("p/", revision).await.unwrap();
        let mut told = Vec::new();
        let mut is_asked = false;
        loop {
            let message = watch.message().await.unwrap().unwrap();
            if message.canceled() {
                told.push(format!("compacted up to {}", message.compact_revision()));
                return told;
            }
            for event in message.events() {
                let kv = event.kv().unwrap();
                told.push(format!("{:?} {}", event.event_type(), self.show(kv)));
                if kv.key() == LAST_KEY.as_bytes() {
                    watch.request_progress().await.unwrap();
                    is_asked = true;
                }
            }
            if is_asked && message.events().is_empty() {
                let reached = message.header().unwrap().revision();
                told.push(format!("and nothing else up to {reached}"));
                return told;
            }
        }
    }
}

/// What etcd says of a failure, without what the client says around it.
fn told(failure: Failure) -> String {
    let kind = match failure {
        Failure::Refused(_) => "refused",
        Failure::Unclear(_) => "unclear",
    };
    let message = failure.into_error().to_string();
    let said = message.find("etcdserver:").map(|at| &message[at..]);
    let said = said.unwrap_or(&message).split('"').next().unwrap();
    format!("{kind}: {said}")
}

fn on_simulated(seed: u64) -> Vec<String> {
    let simulation = Simulation::new(seed);
    let etcd = SimulatedEtcd::new(&simulation);
    let process = simulation.environment("a");
    let client = EtcdClient::new(process.clone(), etcd.options(&process, "/dm"));
    simulation.run_until(Script::run(&client, seed)).unwrap()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

fn client_of(etcd: &Etcd) -> EtcdClient {
    let options = EtcdOptions::new(&etcd.endpoints().join(","), "/dm").unwrap();
    let options = options.request_timeout(Duration::from_secs(30));
    let environment = Arc::new(TokioEnvironment::current().unwrap());
    EtcdClient::new(environment, options)
}

fn start() -> Option<Etcd> {
    if Etcd::is_installed() {
        return Some(Etcd::start(Cluster::new()).unwrap());
    }
    let is_needed = std::env::var("CI").is_ok_and(|ci| ci == "true");
    assert!(!is_needed, "etcd is not installed, and CI is true");
    let said = "NOT RUN: there is no etcd; scripts/test installs it\n";
    std::io::stderr().write_all(said.as_bytes()).unwrap();
    None
}

#[test]
fn a_simulated_etcd_answers_as_a_real_one_does() {
    let variable = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let first: u64 = variable("DM_SEED").unwrap_or(1);
    let Some(etcd) = start() else { return };
    let mut all = String::new();
    for seed in first..first + 4 {
        let real = runtime().block_on(async { Script::run(&client_of(&etcd), seed).await });
        let simulated = on_simulated(seed);
        let differs = real
            .iter()
            .zip(&simulated)
            .find(|(real, simulated)| real != simulated);
        assert_eq!(differs, None, "seed {seed}: the real answer first");
        assert_eq!(real.len(), simulated.len());
        all += &simulated.join("\n");
        etcd.wipe().unwrap();
    }
    let kinds = [
        "txn true",
        "txn false",
        "lease Some",
        "Delete",
        "compacted up to",
        "required revision",
        "lease not found",
        "duplicate key",
        "Ok(false)",
    ];
    for kind in kinds {
        assert!(all.contains(kind), "there is no {kind}: {all}");
    }
}

/// What becomes of a key whose lease nobody keeps, as a watch tells it.
async fn lease_that_ends(client: &EtcdClient, environment: &dyn Environment) -> Vec<String> {
    let lease = client.grant_lease(2).await.unwrap();
    let other = client.grant_lease(600).await.unwrap();
    let put = |key: &str, lease| {
        let options = PutOptions::new().with_lease(lease);
        let txn = Txn::new().and_then([TxnOp::put(key, "x", Some(options))]);
        client.txn("put", txn)
    };
    put("p/a", lease).await.unwrap();
    put("p/b", lease).await.unwrap();
    // Its key goes over to another lease, and outlives the first.
    put("p/b", other).await.unwrap();
    let revision = client.revision();
    let mut watch = client.watch("p/", revision + 1).await.unwrap();
    let mut told = Vec::new();
    while told.is_empty() {
        let message = watch.message().await.unwrap().unwrap();
        for event in message.events() {
            let (kind, kv) = (event.event_type(), event.kv().unwrap());
            told.push(format!("{kind:?} {:?} {}", kv.key_str(), kv.mod_revision()));
        }
    }
    environment.sleep(Duration::from_millis(100)).await;
    told.push(format!(
        "{:?}",
        client.keep_lease(lease).await.map_err(self::told)
    ));
    told.push(format!(
        "{:?}",
        client.keep_lease(other).await.map_err(self::told)
    ));
    let revoked = client.revoke_lease(lease).await.map_err(self::told);
    told.push(format!("{revoked:?}"));
    told
}

#[test]
fn a_lease_of_a_simulated_etcd_ends_as_that_of_a_real_one() {
    let Some(etcd) = start() else { return };
    let real = runtime().block_on(async {
        let environment = TokioEnvironment::current().unwrap();
        lease_that_ends(&client_of(&etcd), &environment).await
    });
    let simulation = Simulation::new(1);
    let etcd = SimulatedEtcd::new(&simulation);
    let process = simulation.environment("a");
    let client = EtcdClient::new(process.clone(), etcd.options(&process, "/dm"));
    let simulated = simulation
        .run_until(lease_that_ends(&client, process.as_ref()))
        .unwrap();
    assert_eq!(simulated, real);
}
