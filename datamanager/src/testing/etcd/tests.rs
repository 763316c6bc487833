use super::*;
use crate::testing::{LostReplies, ProxyFaults, Reply, TcpProxy, cpu_time};

/// Starts an etcd; none if the programs are missing.
fn start(options: EtcdOptions) -> Option<Etcd> {
    Etcd::can_run()
        .unwrap()
        .then(|| Etcd::start(options).unwrap())
}

fn put(etcd: &Etcd, key: &str, value: &str) {
    assert_eq!(etcd.etcdctl(&["put", key, value]).unwrap(), "OK\n");
}

/// The value of a key; the empty text if it is not there.
fn get(etcd: &Etcd, key: &str) -> String {
    let printed = etcd.etcdctl(&["get", key, "--print-value-only"]).unwrap();
    printed.trim_end().to_owned()
}

/// The id of the cluster and its revision.
fn header(etcd: &Etcd) -> (u64, u64) {
    let printed = etcd.etcdctl(&["get", "x", "-w", "json"]).unwrap();
    let json: serde_json::Value = serde_json::from_str(&printed).unwrap();
    let number = |name: &str| json["header"][name].as_u64().unwrap();
    (number("cluster_id"), number("revision"))
}

#[test]
fn one_node_keeps_its_data_over_a_kill_and_loses_it_when_wiped() {
    let Some(etcd) = start(EtcdOptions::new()) else {
        return;
    };
    put(&etcd, "key", "1");
    let (address, pid) = (etcd.address(0), etcd.pid(0).unwrap());
    etcd.kill(0).unwrap();
    assert!(etcd.pid(0).is_err() && etcd.etcdctl(&["get", "key"]).is_err());
    assert!(cpu_time(pid).is_err());
    etcd.restart(0).unwrap();
    assert_eq!(
        (get(&etcd, "key").as_str(), etcd.address(0)),
        ("1", address)
    );
    etcd.stop(0).unwrap();
    etcd.restart(0).unwrap();
    let before = header(&etcd);
    etcd.wipe().unwrap();
    let after = header(&etcd);
    assert_eq!(get(&etcd, "key"), "");
    assert_eq!(before.0, after.0, "the cluster's id");
    assert!(after.1 < before.1, "{before:?}, then {after:?}");
    let pid = etcd.pid(0).unwrap();
    drop(etcd);
    assert!(cpu_time(pid).is_err());
}

#[test]
fn a_snapshot_brings_back_what_was_there_when_it_was_taken() {
    let Some(etcd) = start(EtcdOptions::new()) else {
        return;
    };
    put(&etcd, "key", "old");
    let (_, revision) = header(&etcd);
    let file = etcd.directory().join("snapshot");
    etcd.save_snapshot(&file).unwrap();
    put(&etcd, "key", "new");
    put(&etcd, "other", "new");
    etcd.restore_snapshot(&file).unwrap();
    assert_eq!(
        (get(&etcd, "key"), get(&etcd, "other")),
        ("old".to_owned(), String::new())
    );
    assert_eq!(header(&etcd).1, revision);
    std::fs::write(&file, "this is no snapshot").unwrap();
    assert!(etcd.restore_snapshot(&file).is_err());
}

#[test]
fn three_nodes_go_on_without_their_leader_and_take_it_back() {
    let Some(etcd) = start(EtcdOptions::new().nodes(3)) else {
        return;
    };
    assert_eq!((etcd.node_count(), etcd.endpoints().len()), (3, 3));
    let first = etcd.wait_for_leader().unwrap();
    put(&etcd, "key", "1");
    etcd.kill(first).unwrap();
    let second = etcd.wait_for_leader().unwrap();
    assert_ne!(second, first);
    put(&etcd, "key", "2");
    etcd.restart(first).unwrap();

    // A leader that stands still leads nobody, and follows when it goes on.
    etcd.freeze(second).unwrap();
    assert!(!etcd.nodes[second].leads());
    let third = etcd.wait_for_leader().unwrap();
    assert_ne!(third, second);
    etcd.thaw(second).unwrap();
    etcd.wait_until_ready().unwrap();
    assert_eq!(get(&etcd, "key"), "2");

    // Two of three are needed.
    let others = [(third + 1) % 3, (third + 2) % 3];
    others.iter().for_each(|node| etcd.kill(*node).unwrap());
    let alone = etcd.etcdctl(&["put", "key", "3", "--command-timeout=300ms"]);
    assert!(alone.is_err());
    others
        .iter()
        .for_each(|node| etcd.begin_start(*node).unwrap());
    etcd.wait_until_ready().unwrap();
    etcd.wipe().unwrap();
    assert_eq!(get(&etcd, "key"), "");
}

#[test]
fn users_are_asked_for_and_survive_a_wipe() {
    let ttl = Duration::from_secs(3);
    let Some(etcd) = start(EtcdOptions::new().authentication("secret", ttl)) else {
        return;
    };
    for _ in 0..2 {
        put(&etcd, "key", "1");
        let endpoint = format!("--endpoints=http://{}", etcd.address(0));
        let stranger = output(command("etcdctl").args([&endpoint, "get", "key"]));
        assert!(
            stranger
                .unwrap_err()
                .to_string()
                .contains("user name is empty")
        );
        etcd.wipe().unwrap();
    }
    let command = std::fs::read(format!("/proc/{}/cmdline", etcd.pid(0).unwrap())).unwrap();
    assert!(String::from_utf8_lossy(&command).contains("--auth-token-ttl=3"));
}

#[test]
fn a_quota_that_is_used_up_raises_its_alarm() {
    let options = EtcdOptions::new()
        .quota_bytes(1 << 20)
        .flag("--heartbeat-interval=90");
    let Some(etcd) = start(options) else {
        return;
    };
    let value = "x".repeat(100_000);
    let refused = (0..50).find_map(|number| {
        etcd.etcdctl(&["put", &format!("key{number}"), &value])
            .err()
    });
    let refused = refused.expect("5 MB do not fit").to_string();
    assert!(refused.contains("database space exceeded"), "{refused}");
    assert!(
        etcd.etcdctl(&["alarm", "list"])
            .unwrap()
            .contains("NOSPACE")
    );
}

#[test]
fn an_etcd_that_cannot_start_says_why() {
    if start(EtcdOptions::new()).is_none() {
        return;
    }
    let error = Etcd::start(EtcdOptions::new().flag("--no-such-flag")).unwrap_err();
    assert!(error.to_string().contains("no-such-flag"), "{error}");
}

#[test]
fn a_proxy_loses_the_reply_of_a_write_that_etcd_has_done() {
    let Some(etcd) = start(EtcdOptions::new()) else {
        return;
    };
    let proxy = TcpProxy::start(etcd.address(0), 1).unwrap();
    let lose = |lose| {
        proxy
            .set_faults(ProxyFaults {
                lose,
                reply: Reply::Http2Data,
                ..ProxyFaults::default()
            })
            .unwrap();
    };
    let put = |value| {
        let endpoint = format!("--endpoints={}", proxy.endpoint());
        output(etcd.control(&endpoint).args(["put", "key", value]))
    };
    put("1").unwrap();
    lose(LostReplies::Every(1));
    put("2").unwrap_err();
    assert_eq!(get(&etcd, "key"), "2");
    assert_eq!(proxy.counts().replies_lost, 1);
    lose(LostReplies::None);
    put("3").unwrap();
}
