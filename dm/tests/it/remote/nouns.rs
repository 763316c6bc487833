//! Users, organizations, groups, projects, secrets and variables.

use std::os::unix::fs::PermissionsExt;

use super::host::{Host, Person};

/// The cells of a table, without those of the header.
fn rows(printed: &str) -> Vec<Vec<&str>> {
    let rows = printed.lines().skip(1);
    rows.map(|line| line.split_whitespace().collect()).collect()
}

fn list(person: &Person<'_>, arguments: &[&str]) -> Vec<Vec<String>> {
    let printed = person.dm(arguments).done();
    let rows = rows(&printed).into_iter();
    rows.map(|cells| cells.into_iter().map(str::to_owned).collect())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn users_and_their_tokens() {
    let host = Host::start().await;
    let admin = host.admin();
    // More than the gateway gives at once.
    for number in 1..=23 {
        admin
            .dm(&["user", "create", &format!("user{number:02}")])
            .done();
    }
    let users = list(&admin, &["user", "list"]);
    assert_eq!(users.len(), 23);
    assert_eq!((&*users[0][0], &*users[22][0]), ("user01", "user23"));
    let some = ["user", "list", "--after", "user02", "--limit", "2"];
    let shown = admin.dm(&some);
    assert_eq!(shown.done().lines().count(), 3);
    assert!(shown.stderr().contains("--after user04"));
    let json = admin.json(&["user", "list"]);
    assert_eq!(json[22]["username"], "user23");

    let file = host.path("token");
    let create = ["user", "token", "create", "user01", "laptop", "-o", &file];
    assert_eq!(admin.dm(&create).done(), "");
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let get = ["user", "get", "--token-file", &file];
    let user = host.with_token("").dm(&get).done();
    assert!(user.contains("tokens    laptop\n"), "{user}");
    // A file that is there stays as it is, and no token is made that nobody knows.
    let before = std::fs::read(&file).unwrap();
    let again = ["user", "token", "create", "user01", "second", "-o", &file];
    admin.dm(&again).fails_with(1, &["cannot make", &file]);
    assert_eq!(std::fs::read(&file).unwrap(), before);
    let other = host.path("other");
    let taken = ["user", "token", "create", "user01", "laptop", "-o", &other];
    admin.dm(&taken).failed(1);
    assert!(!std::path::Path::new(&other).exists());
    let tokens = ["user", "token", "list", "user01"];
    assert_eq!(admin.dm(&tokens).done(), "laptop\n");
    let delete = ["user", "token", "delete", "user01", "laptop"];
    admin.dm(&delete).done();
    host.with_token("")
        .dm(&get)
        .fails_with(1, &["does not know"]);
    admin.dm(&["user", "delete", "user01"]).done();
    admin.dm(&["user", "get", "user01"]).failed(3);
}

#[tokio::test(flavor = "multi_thread")]
async fn organizations_groups_and_projects() {
    let host = Host::start().await;
    let (ann, bob) = (host.user("ann"), host.user("bob"));
    ann.dm(&["org", "create", "acme"]).done();
    ann.dm(&["org", "member", "add", "acme", "bob"]).done();
    let members = ["org", "member", "list", "acme"];
    assert_eq!(list(&ann, &members), [["ann", "owner"], ["bob", "member"]]);
    assert_eq!(list(&bob, &["org", "list", "--mine"]), [["acme", "member"]]);
    let owner = ["org", "member", "add", "acme", "bob", "--role", "owner"];
    ann.dm(&owner).done();
    assert_eq!(list(&bob, &["org", "list", "--mine"]), [["acme", "owner"]]);
    bob.dm(&["org", "member", "remove", "acme", "bob"]).done();
    bob.dm(&["org", "get", "acme"]).failed(1);
    let orgs = list(&ann, &["org", "list"]);
    assert_eq!(orgs[0][..2], ["acme", "private"]);

    let create = ["projectgroup", "create", "backend", "--parent", "org/acme"];
    ann.dm(&create).done();
    let create = ["group", "create", "deep", "--parent", "org/acme/backend"];
    ann.dm(&[&create[..], &["--visibility", "public"]].concat())
        .done();
    let groups = ["group", "list", "--parent", "org/acme/backend"];
    assert_eq!(
        list(&ann, &groups),
        [["org/acme/backend/deep", "private"]],
        "a public group in a private one is private"
    );
    let definition = host.file("definition.yml", "runs: [{name: a, tasks: []}]\n");
    let parent = ["--parent", "org/acme/backend"];
    let create = ["project", "create", "web", "--file", &definition];
    ann.dm(&[&create[..], &parent].concat()).done();
    ann.dm(&[&["project", "create", "api"], &parent[..]].concat())
        .done();
    let projects = [&["project", "list"], &parent[..]].concat();
    assert_eq!(
        list(&ann, &projects),
        [
            ["org/acme/backend/api", "private", "-"],
            ["org/acme/backend/web", "private", "yaml"],
        ]
    );
    let shown = ann.dm(&["project", "get", "org/acme/backend/web"]).done();
    assert!(
        shown.ends_with("\n\nruns: [{name: a, tasks: []}]\n"),
        "{shown}"
    );

    let update = [
        "project",
        "update",
        "org/acme/backend/web",
        "--name",
        "site",
    ];
    let other = ["--parent", "org/acme", "--no-definition"];
    ann.dm(&[&update[..], &other].concat()).done();
    let project = &ann.json(&["project", "get", "org/acme/site"])[0];
    assert!(project["run_config"].is_null(), "{project}");
    let update = ["group", "update", "org/acme/backend", "--name", "server"];
    ann.dm(&update).done();
    ann.dm(&["project", "get", "org/acme/server/api"]).done();
    ann.dm(&["project", "delete", "org/acme/site"]).done();
    ann.dm(&["project", "get", "org/acme/site"]).failed(3);
    ann.dm(&["group", "delete", "org/acme/server"]).done();
    ann.dm(&["project", "get", "org/acme/server/api"]).failed(3);
    let none = ann.dm(&["project", "list"]);
    assert_eq!(none.done(), "");
    assert!(none.stderr().contains("nothing to show"));
    ann.dm(&["org", "delete", "acme"]).done();
    ann.dm(&["org", "get", "acme"]).failed(3);
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_and_variables_of_projects_and_groups() {
    let host = Host::start().await;
    let ann = host.user("ann");
    ann.dm(&["group", "create", "grp"]).done();
    let create = ["project", "create", "web", "--parent", "user/ann/grp"];
    ann.dm(&create).done();
    let (group, project) = (["-g", "user/ann/grp"], ["-p", "user/ann/grp/web"]);
    let with = |arguments: &[&str], owner: [&str; 2]| -> Vec<String> {
        let arguments = [arguments, &owner].concat();
        arguments.into_iter().map(str::to_owned).collect()
    };
    let create = ["secret", "create", "s1", "--file", "-"];
    let made = ann.dm_with_input(&with(&create, group), b"password: hidden-value\n");
    made.done();
    let key = host.file("key", "hidden-key\n");
    let from_file = format!("ssh={key}");
    let create = ["secret", "create", "s2", "--from-file", &from_file];
    let create = [&create[..], &["--from-file", "more=-"]].concat();
    ann.dm_with_input(&with(&create, project), b"hidden-more")
        .done();
    for (arguments, expected) in [
        (
            &["secret", "list"][..],
            vec![["s2", "project/user/ann/grp/web"]],
        ),
        (
            &["secret", "list", "--inherited"],
            vec![
                ["s1", "projectgroup/user/ann/grp"],
                ["s2", "project/user/ann/grp/web"],
            ],
        ),
    ] {
        let printed = ann.dm(&with(arguments, project)).done();
        let mut found = rows(&printed);
        found.sort_unstable();
        for (found, expected) in found.iter().zip(&expected) {
            assert_eq!(found[0], expected[0], "{printed}");
            assert!(
                expected[1].ends_with(found[1].trim_start_matches("project/")),
                "{printed}"
            );
        }
        assert_eq!(found.len(), expected.len(), "{printed}");
        assert!(!printed.contains("hidden"), "{printed}");
    }
    let create = ["variable", "create", "password", "--from", "s1:password"];
    ann.dm(&with(&create, project)).done();
    let create = ["variable", "create", "lost", "--from", "s9:x"];
    ann.dm(&with(&create, project)).done();
    let printed = ann.dm(&with(&["variable", "list"], project)).done();
    assert!(printed.contains("s1:password  "), "{printed}");
    assert!(printed.contains("s9:x (no such secret)"), "{printed}");
    let update = ["variable", "update", "lost", "--new-name", "ssh"];
    let update = [&update[..], &["--from", "s2:ssh"]].concat();
    ann.dm(&with(&update, project)).done();
    let printed = ann.dm(&with(&["variable", "list"], project)).done();
    assert!(!printed.contains("no such secret"), "{printed}");

    let wrong = host.file("wrong.yml", "password:\n  - hidden-list\n");
    let update = ["secret", "update", "s1", "--file", &wrong];
    let refused = ann.dm(&with(&update, group));
    refused.fails_with(1, &[&wrong, "line 2", "password is no text"]);
    assert!(!refused.stderr().contains("hidden"));
    // One who takes it for the value itself does not find it in an error.
    let refused = ann.dm(&with(
        &["secret", "create", "s3", "--from-file", "hidden-a"],
        group,
    ));
    assert_eq!(refused.code(), 2);
    let values = host.file("values.yml", "password: other\n");
    let update = [
        "secret",
        "update",
        "s1",
        "--new-name",
        "s4",
        "--file",
        &values,
    ];
    ann.dm(&with(&update, group)).done();
    ann.dm(&with(&["secret", "delete", "s4"], group)).done();
    ann.dm(&with(&["secret", "delete", "s4"], group)).failed(3);
    ann.dm(&with(&["variable", "delete", "ssh"], project))
        .done();
    let printed = ann.dm(&with(&["variable", "list"], project)).done();
    assert_eq!(rows(&printed).len(), 1, "{printed}");
}
