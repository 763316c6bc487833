//! The table: for each route what comes of it, by who asks.

use reqwest::Method;

pub(super) const ROLES: [&str; 6] = [
    "anonymous",
    "wrong token",
    "stranger",
    "member",
    "owner",
    "admin",
];

/// A route, the statuses for each of [`ROLES`], and what is sent. `ORG`, `GROUP` and `PROJECT` are private, and each in the one
/// before; `PUBLIC` is a public project. `NEW` is a name that is not taken.
const TABLE: &str = r#"
GET    /projectgroups/ORG                             401 401 403 200 200 200
GET    /projectgroups/GROUP                           401 401 403 200 200 200
GET    /projectgroups/ORG/subgroups                   401 401 403 200 200 200
GET    /projectgroups/GROUP/projects                  401 401 403 200 200 200
GET    /projectgroups/org%2Fpublic                    401 401 200 200 200 200
POST   /projectgroups                                 401 401 403 403 201 201 {"name": "NEW", "visibility": "private", "parent_ref": "org/private"}
PUT    /projectgroups/GROUP                           401 401 403 403 201 201 {}
DELETE /projectgroups/GROUP%2Fgone                    401 401 403 403 204 204
GET    /projects/PROJECT                              403 401 403 200 200 200
GET    /projects/PUBLIC                               200 401 200 200 200 200
POST   /projects                                      401 401 403 403 201 201 {"name": "NEW", "visibility": "private", "parent_ref": "org/private/group01"}
PUT    /projects/PROJECT                              401 401 403 403 201 201 {}
PUT    /projects/PUBLIC                               401 401 403 403 201 201 {}
DELETE /projects/GROUP%2Fgone01                       401 401 403 403 204 204
PUT    /projects/PROJECT/reconfig                     401 401 403 403 400 400
PUT    /projects/PROJECT/updaterepolinkedaccount      401 401 403 403 400 400
POST   /projects/PROJECT/createrun                    401 401 403 403 201 201 {"branch": "main", "config": {"format": "yaml", "content": "runs: [{name: r}]"}}
POST   /projects/PUBLIC/createrun                     401 401 403 403 201 201 {"branch": "main", "config": {"format": "yaml", "content": "runs: [{name: r}]"}}
GET    /badges/PROJECT                                200 200 200 200 200 200
GET    /version                                       200 200 200 200 200 200
GET    /user                                          401 401 200 200 200 400
GET    /user/orgs                                     401 401 200 200 200 400
POST   /user/createrun                                401 401 201 201 201 400 {"branch": "main", "config": {"format": "yaml", "content": "runs: [{name: r}]"}}
GET    /users/owner                                   401 401 200 200 200 200
GET    /users                                         401 401 403 403 403 200
POST   /users                                         401 401 403 403 403 201 {"username": "NEW"}
DELETE /users/gone                                    401 401 403 403 403 204
POST   /users/owner/tokens                            401 401 400 400 201 201 {"token_name": "NEW"}
DELETE /users/owner/tokens/gone                       401 401 400 400 204 204
DELETE /users/owner/linkedaccounts/none               401 401 400 400 400 400
GET    /orgs/private                                  401 401 403 200 200 200
GET    /orgs/public                                   401 401 200 200 200 200
GET    /orgs                                          401 401 200 200 200 200
POST   /orgs                                          401 401 201 201 201 201 {"name": "NEW", "visibility": "private"}
DELETE /orgs/gone                                     401 401 403 403 204 204
GET    /orgs/private/members                          401 401 403 200 200 200
PUT    /orgs/private/members/passing                  401 401 403 403 200 200 {"role": "member"}
DELETE /orgs/private/members/passing                  401 401 403 403 204 204
GET    /remotesources                                 200 401 200 200 200 200
GET    /remotesources/rs01                            401 401 200 200 200 200
POST   /remotesources                                 401 401 403 403 403 201 {"name": "NEW", "apiurl": "https://x.example.com", "type": "gitea", "auth_type": "password"}
PUT    /remotesources/rs01                            401 401 403 403 403 201 {"login_enabled": false}
DELETE /remotesources/gone                            401 401 403 403 403 204
GET    /admin/stores                                  401 401 403 403 403 200
GET    /maintenance/runservice                        401 401 403 403 403 200
GET    /export/configstore                            401 401 403 403 403 200
"#;

/// Secrets and variables of a project or a group.
const VALUES: &str = r#"
GET    OF/secrets                                     401 401 403 200 200 200
POST   OF/secrets                                     401 401 403 403 201 201 {"name": "NEW", "type": "internal", "data": {"a": "b"}}
PUT    OF/secrets/s1                                  401 401 403 403 200 200 {"name": "s1", "type": "internal", "data": {"a": "b"}}
DELETE OF/secrets/gone                                401 401 403 403 204 204
GET    OF/variables                                   401 401 403 200 200 200
POST   OF/variables                                   401 401 403 403 201 201 {"name": "NEW", "values": [{"secret_name": "s1", "secret_var": "k"}]}
PUT    OF/variables/s1                                401 401 403 403 200 200 {"name": "s1", "values": [{"secret_name": "s1", "secret_var": "k"}]}
DELETE OF/variables/gone                              401 401 403 403 204 204
"#;

/// Runs of a private project, of a public one, and of a user. `TASK` is the task of the run. No log is there, or collected.
const RUNS: &str = r#"
GET    /projects/PROJECT/runs                         401 401 403 200 200 200
GET    /projects/PROJECT/runs/1                       403 401 403 200 200 200
GET    /projects/PROJECT/runs/1/tasks/TASK            403 401 403 200 200 200
GET    /projects/PROJECT/runs/1/tasks/TASK/logs?step=0 403 401 403 404 404 404
DELETE /projects/PROJECT/runs/1/tasks/TASK/logs?step=0 401 401 403 403 400 400
PUT    /projects/PROJECT/runs/1/actions               401 401 403 403 400 400 {"action_type": "restart", "from_start": true}
PUT    /projects/PROJECT/runs/1/tasks/TASK/actions    401 401 403 403 200 400 {"action_type": "approve"}
GET    /projects/PUBLIC/runs                          401 401 200 200 200 200
GET    /projects/PUBLIC/runs/1                        200 401 200 200 200 200
GET    /projects/PUBLIC/runs/1/tasks/TASK             200 401 200 200 200 200
GET    /projects/PUBLIC/runs/1/tasks/TASK/logs?step=0 404 401 404 404 404 404
DELETE /projects/PUBLIC/runs/1/tasks/TASK/logs?step=0 401 401 403 403 400 400
PUT    /projects/PUBLIC/runs/1/actions                401 401 403 403 400 400 {"action_type": "restart", "from_start": true}
PUT    /projects/PUBLIC/runs/1/tasks/TASK/actions     401 401 403 403 200 400 {"action_type": "approve"}
GET    /users/owner/runs                              401 401 403 403 200 200
GET    /users/owner/runs/1                            403 401 403 403 200 200
GET    /users/owner/runs/1/tasks/TASK                 403 401 403 403 200 200
GET    /users/owner/runs/1/tasks/TASK/logs?step=0     403 401 403 403 404 404
DELETE /users/owner/runs/1/tasks/TASK/logs?step=0     401 401 403 403 400 400
PUT    /users/owner/runs/1/actions                    401 401 403 403 400 400 {"action_type": "restart", "from_start": true}
PUT    /users/owner/runs/1/tasks/TASK/actions         401 401 403 403 200 400 {"action_type": "approve"}
"#;

/// A line of the table.
pub(super) struct Row {
    pub(super) method: Method,
    pub(super) path: String,
    /// By [`ROLES`].
    pub(super) statuses: Vec<u16>,
    pub(super) body: String,
}

pub(super) fn rows() -> Vec<Row> {
    let projects = VALUES.replace("OF/", "/projects/PROJECT/");
    let groups = VALUES.replace("OF/", "/projectgroups/GROUP/");
    let tables = [TABLE, projects.as_str(), groups.as_str(), RUNS];
    let lines = tables.iter().flat_map(|table| table.lines());
    lines.filter(|line| !line.is_empty()).map(row).collect()
}

fn row(line: &str) -> Row {
    let line = line
        .replace("PROJECT", "GROUP%2Fproject01")
        .replace("GROUP", "ORG%2Fgroup01")
        .replace("ORG", "org%2Fprivate")
        .replace("PUBLIC", "org%2Fpublic%2Fproject02");
    let (head, body) = match line.find('{') {
        Some(place) => line.split_at(place),
        None => (line.as_str(), ""),
    };
    let mut words = head.split_whitespace();
    let row = Row {
        method: words.next().unwrap().parse().unwrap(),
        path: words.next().unwrap().to_owned(),
        statuses: words.map(|status| status.parse().unwrap()).collect(),
        body: body.to_owned(),
    };
    assert_eq!(row.statuses.len(), ROLES.len(), "{line}");
    row
}
