//! Tests of what needs no engine.

use std::collections::BTreeMap;

use runservice::api::{Container, RegistryAuth, Volume, VolumeTmpfs};

use super::containers::{Limits, bodies};
use super::images::Reference;
use crate::config::DriverSettings;

fn auth(kind: &str, username: &str, password: &str, auth: &str) -> RegistryAuth {
    RegistryAuth {
        kind: kind.to_owned(),
        username: username.to_owned(),
        password: password.to_owned(),
        auth: auth.to_owned(),
    }
}

#[test]
fn names_of_images_are_parted_as_the_engine_does() {
    for (image, registry, name, tag) in [
        ("busybox", "index.docker.io", "busybox", "latest"),
        ("busybox:stable", "index.docker.io", "busybox", "stable"),
        (
            "library/busybox",
            "index.docker.io",
            "library/busybox",
            "latest",
        ),
        (
            "docker.io/library/busybox:1",
            "index.docker.io",
            "docker.io/library/busybox",
            "1",
        ),
        (
            "registry.example.com/a/b:v1",
            "registry.example.com",
            "registry.example.com/a/b",
            "v1",
        ),
        ("localhost/a", "localhost", "localhost/a", "latest"),
        (
            "localhost:5000/a",
            "localhost:5000",
            "localhost:5000/a",
            "latest",
        ),
        ("host:5000/a:b", "host:5000", "host:5000/a", "b"),
        ("a@sha256:00ff", "index.docker.io", "a", "sha256:00ff"),
        (
            "r.example/a@sha256:00ff",
            "r.example",
            "r.example/a",
            "sha256:00ff",
        ),
    ] {
        let expected = Reference {
            registry,
            name,
            tag,
        };
        assert_eq!(Reference::parse(image).unwrap(), expected, "{image}");
    }
    for image in ["", ":tag", "a:", "a b", "@sha256:1"] {
        assert!(Reference::parse(image).is_err(), "{image:?}");
    }
}

#[test]
fn credentials_are_found_by_each_form_of_the_registry() {
    let find = |image: &str, known: &[(&str, RegistryAuth)]| {
        let known: BTreeMap<String, RegistryAuth> = known
            .iter()
            .map(|(name, auth)| ((*name).to_owned(), auth.clone()))
            .collect();
        let found = Reference::parse(image).unwrap().credentials(&known);
        found.map(|found| {
            found.map(|found| found.username.unwrap() + " " + &found.password.unwrap())
        })
    };
    let basic = |name: &str| auth("basic", name, "secret", "");
    for form in [
        "r.example",
        "https://r.example",
        "http://r.example",
        "r.example/v1/",
        "https://r.example/v1/",
        "http://r.example/v2/",
    ] {
        let found = find("r.example/a", &[(form, basic("me"))]).unwrap();
        assert_eq!(found.as_deref(), Some("me secret"), "{form}");
        assert_eq!(
            find("other.example/a", &[(form, basic("me"))]).unwrap(),
            None
        );
    }
    let hub = [("index.docker.io", basic("hub"))];
    assert_eq!(
        find("busybox", &hub).unwrap().as_deref(),
        Some("hub secret")
    );
    assert_eq!(
        find("docker.io/a/b", &hub).unwrap().as_deref(),
        Some("hub secret")
    );
    // The first form goes before the others.
    let both = [
        ("https://r.example", basic("url")),
        ("r.example", basic("bare")),
    ];
    assert_eq!(
        find("r.example/a", &both).unwrap().as_deref(),
        Some("bare secret")
    );
    let encoded = |text| [("r.example", auth("encodedauth", "", "", text))];
    let found = find("r.example/a", &encoded("dXNlcm5hbWU6cGFzc3dvcmQ=")).unwrap();
    assert_eq!(found.as_deref(), Some("username password"));
    // Without a colon, with two, and what is no base64.
    for wrong in ["dXNlcg==", "YTpiOmM=", "%", ""] {
        let error = find("r.example/a", &encoded(wrong))
            .unwrap_err()
            .to_string();
        assert!(wrong.is_empty() || !error.contains(wrong), "{error}");
    }
    assert!(find("r.example/a", &[("r.example", auth("token", "", "", ""))]).is_err());
}

#[test]
fn containers_are_made_as_the_task_asks() {
    let volume = |path: &str, size| Volume {
        path: path.to_owned(),
        tmpfs: Some(VolumeTmpfs { size }),
    };
    let first = Container {
        image: "main:1".to_owned(),
        environment: [("A".to_owned(), "1".to_owned())].into(),
        user: "builder".to_owned(),
        entrypoint: "ignored".to_owned(),
        volumes: vec![volume("/mnt/a", 0), volume("/mnt/b", 1024)],
        ..Container::default()
    };
    let second = Container {
        image: "service:1".to_owned(),
        user: "db".to_owned(),
        entrypoint: "run  --port 1".to_owned(),
        privileged: true,
        ..Container::default()
    };
    let settings = DriverSettings {
        memory_bytes_max: 1000,
        network: "builds".to_owned(),
        ..DriverSettings::default()
    };
    let make = |containers: &[Container], user: &str, settings: &DriverSettings| {
        let labels = [("executor.id", "e".to_owned())];
        bodies("t1", containers, user, &labels, &Limits::of(settings))
    };
    let asked = [first.clone(), second, Container::default()];
    let made = make(&asked, "", &settings).unwrap();
    let names: Vec<&str> = made.iter().map(|body| body.name.as_str()).collect();
    assert_eq!(names, ["executor-t1-0", "executor-t1-1", "executor-t1-2"]);
    let [main, service, plain] = [0, 1, 2].map(|place| made[place].body.clone());
    assert_eq!(main.image.as_deref(), Some("main:1"));
    assert_eq!(main.user.as_deref(), Some("builder"));
    assert_eq!(main.env.unwrap(), ["A=1"]);
    assert_eq!(main.entrypoint.unwrap()[0], "/bin/sh");
    assert_eq!(main.labels.unwrap()["executor.id"], "e");
    let host = main.host_config.unwrap();
    assert_eq!(host.network_mode.as_deref(), Some("builds"));
    assert_eq!(
        (host.memory, host.pids_limit, host.privileged),
        (Some(1000), None, Some(false))
    );
    let tmpfs = host.tmpfs.unwrap();
    assert_eq!(
        (tmpfs["/mnt/a"].as_str(), tmpfs["/mnt/b"].as_str()),
        ("", "size=1024")
    );
    assert_eq!(service.entrypoint.unwrap(), ["run", "--port", "1"]);
    assert_eq!(service.user.as_deref(), Some("db"));
    let host = service.host_config.unwrap();
    assert_eq!(
        host.network_mode.as_deref(),
        Some("container:executor-t1-0")
    );
    assert_eq!(host.privileged, Some(true));
    assert_eq!(
        (plain.entrypoint, plain.cmd, plain.user),
        (None, None, None)
    );
    // The user of the task is that of the steps alone.
    let made = make(&asked, "tester", &DriverSettings::default()).unwrap();
    assert_eq!(made[0].body.user.as_deref(), Some("tester"));
    assert_eq!(made[1].body.user.as_deref(), Some("db"));
    let host = made[0].body.host_config.clone().unwrap();
    assert_eq!((host.network_mode, host.memory), (None, None));
    let refused = |change: &dyn Fn(&mut Container)| {
        let mut container = first.clone();
        change(&mut container);
        make(&[container], "", &DriverSettings::default()).is_err()
    };
    assert!(refused(
        &|container| container.volumes[0].path = "relative".to_owned()
    ));
    assert!(refused(&|container| container.volumes[0].tmpfs = None));
    assert!(refused(&|container| drop(
        container
            .environment
            .insert("A=B".to_owned(), String::new())
    )));
}
