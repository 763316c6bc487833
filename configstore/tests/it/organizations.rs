//! Organizations and their members.

use configstore::api::{AddOrgMemberRequest, CreateOrgRequest, MemberRole, Visibility};
use configstore::client::ListOptions;

use crate::host::{
    Fill, Server, assert_exists, assert_invalid, assert_not_found, assert_unknown, org_request,
};

/// Test vectors 31 and 32.
#[tokio::test(flavor = "multi_thread")]
async fn a_user_has_the_organizations_that_it_has_made_and_that_are_left() {
    let server = Server::new().await;
    let client = server.client();
    let user = client.add_user("user01").await;
    let create = async |name: &str, creator: &str| {
        let request = CreateOrgRequest {
            creator_user_id: creator.to_owned(),
            ..org_request(name)
        };
        client.create_org(&request).await
    };
    create("org01", &user.id).await.unwrap();
    let orgs = client.user_orgs(&user.id).await.unwrap();
    assert_eq!(orgs.len(), 1);
    assert_eq!(
        (orgs[0].organization.name.as_str(), orgs[0].role),
        ("org01", Some(MemberRole::Owner))
    );
    for number in 0..10 {
        create(&format!("org{number}"), &user.id).await.unwrap();
    }
    for number in 0..5 {
        client.delete_org(&format!("org{number}")).await.unwrap();
    }
    let orgs = client.user_orgs(&user.id).await.unwrap();
    let names: Vec<&str> = orgs
        .iter()
        .map(|org| org.organization.name.as_str())
        .collect();
    assert_eq!(names, ["org01", "org5", "org6", "org7", "org8", "org9"]);
    assert!(orgs.iter().all(|org| org.role == Some(MemberRole::Owner)));

    // A creator that is given by name is kept by id: a name was stored as it was, and the membership led nowhere.
    let org = create("byname", "user01").await.unwrap();
    assert_eq!(org.creator_user_id, user.id);
    assert_eq!(client.org_members("byname").await.unwrap()[0].user, user);
    assert_unknown(create("orgx", "nobody").await);
    assert_not_found(client.org("orgx").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn organizations_are_found_listed_and_deleted_by_id_and_name() {
    let server = Server::new().await;
    let client = server.client();
    let org = client.add_org("org01").await;
    assert_eq!(client.org("org01").await.unwrap(), org);
    assert_eq!(client.org(&org.id).await.unwrap(), org);
    assert!(!org.created_at.is_zero());
    assert_exists(client.create_org(&org_request("org01")).await);
    assert_invalid(
        client
            .create_org(&CreateOrgRequest {
                visibility: None,
                ..org_request("org02")
            })
            .await,
    );
    // A user may have the name of an organization.
    client.add_user("org01").await;
    let private = CreateOrgRequest {
        visibility: Some(Visibility::Private),
        ..org_request("org02")
    };
    client.create_org(&private).await.unwrap();
    let root = client.project_group("org/org02").await.unwrap();
    assert_eq!(root.project_group.visibility, Some(Visibility::Private));
    assert_eq!(root.place.global_visibility, Some(Visibility::Private));
    let names = client.orgs(&ListOptions::all()).await.unwrap();
    assert_eq!(
        names.iter().map(|org| &org.name[..]).collect::<Vec<_>>(),
        ["org01", "org02"]
    );
    client.delete_org(&org.id).await.unwrap();
    client.delete_org("org02").await.unwrap();
    assert_unknown(client.delete_org("org02").await);
    assert!(client.orgs(&ListOptions::all()).await.unwrap().is_empty());
    client.user("org01").await.unwrap();
}

/// Field case AP-19: a member that was added again was there twice, or was refused.
#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_is_added_again_has_the_new_role_and_is_there_once() {
    let server = Server::new().await;
    let client = server.client();
    let org = client.add_org("org01").await;
    let user = client.add_user("user02").await;
    client.add_user("user01").await;
    let role = |role| AddOrgMemberRequest { role: Some(role) };
    let added = client
        .put_org_member("org01", "user02", &role(MemberRole::Owner))
        .await
        .unwrap();
    assert_eq!(
        (&added.organization_id, &added.user_id),
        (&org.id, &user.id)
    );
    let again = client
        .put_org_member(&org.id, &user.id, &role(MemberRole::Owner))
        .await
        .unwrap();
    assert_eq!(again, added);
    let changed = client
        .put_org_member("org01", "user02", &role(MemberRole::Member))
        .await
        .unwrap();
    assert_eq!(
        (changed.id, changed.member_role),
        (added.id, Some(MemberRole::Member))
    );
    client
        .put_org_member("org01", "user01", &role(MemberRole::Owner))
        .await
        .unwrap();
    let members = client.org_members("org01").await.unwrap();
    let members: Vec<_> = members
        .iter()
        .map(|member| (&member.user.name[..], member.role))
        .collect();
    assert_eq!(
        members,
        [
            ("user01", Some(MemberRole::Owner)),
            ("user02", Some(MemberRole::Member))
        ]
    );

    assert_invalid(
        client
            .put_org_member("org01", "user01", &AddOrgMemberRequest::default())
            .await,
    );
    assert_unknown(
        client
            .put_org_member("org09", "user01", &role(MemberRole::Owner))
            .await,
    );
    assert_unknown(
        client
            .put_org_member("org01", "user09", &role(MemberRole::Owner))
            .await,
    );
    client.delete_org_member("org01", "user01").await.unwrap();
    assert_unknown(client.delete_org_member("org01", "user01").await);
    client.delete_user("user02").await.unwrap();
    assert!(client.org_members("org01").await.unwrap().is_empty());
    assert_not_found(client.org_members("org09").await);
    assert_not_found(client.user_orgs("user02").await);
}
