//! The command on a store whose log is in a real etcd.

use datamanager::testing::{Etcd, EtcdOptions};

use crate::support::Place;

#[test]
fn the_log_moves_to_etcd_several_commands_share_it_and_it_moves_back() {
    if !Etcd::can_run().unwrap() {
        return;
    }
    let etcd = Etcd::start(EtcdOptions::new()).unwrap();
    let place = Place::new();
    let endpoint = etcd.endpoints()[0].clone();
    let with = |arguments: &[&'static str]| {
        let mut all = vec!["--etcd", endpoint.as_str(), "--etcd-prefix", "/app/one"];
        all.extend(arguments);
        all
    };
    place.dm_with_input(&["put", "t", "1"], b"one").done();
    place
        .dm(&["switch-log", "etcd"])
        .fails_with(1, &["endpoints"]);
    place
        .dm(&with(&["get", "t", "1"]))
        .fails_with(1, &["has log=file, not log=etcd"]);
    place.dm(&with(&["switch-log", "etcd"])).done();
    place
        .dm_with_input(&with(&["put", "t", "2"]), b"two")
        .done();
    assert_eq!(place.dm(&with(&["scan", "t"])).done(), "one\ntwo\n");

    let mut writer = place.start(&with(&[
        "load", "u", "-", "--id", "id", "--batch", "1", "--json",
    ]));
    writer.write(b"{\"id\":\"a\"}\n");
    writer.line().unwrap();
    place
        .dm_with_input(&with(&["put", "t", "3"]), b"three")
        .done();
    let status = place.dm(&with(&["status"])).done();
    assert!(status.contains("log                  etcd"), "{status}");
    assert!(status.contains("open in              dm-"), "{status}");
    place
        .dm(&with(&["switch-log", "file"]))
        .fails_with(1, &["other processes have the store open"]);
    assert_eq!(writer.finish(), 0);

    place.dm(&with(&["maintenance", "on"])).done();
    let shown = etcd
        .etcdctl(&["get", "/app/one/maintenance", "--print-value-only"])
        .unwrap();
    assert!(shown.contains("\"instance\":\"dm-"), "{shown}");
    place
        .dm_with_input(&with(&["put", "t", "4"]), b"four")
        .fails_with(1, &["in maintenance"]);
    place.dm(&with(&["maintenance", "off"])).done();
    place.dm(&with(&["verify"])).done();
    place
        .dm(&["get", "t", "1"])
        .fails_with(1, &["log=etcd", "endpoints"]);
    place.dm(&with(&["switch-log", "file"])).done();
    assert_eq!(place.dm(&["scan", "t"]).done(), "one\ntwo\nthree\n");
    place.dm(&["verify"]).done();
}
