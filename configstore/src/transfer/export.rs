//! An export in the format of agola v0.7.

use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::{BufMut, Bytes, BytesMut};
use datamanager::{Document, HeldSnapshot, Query, ScanOptions, Snapshot};
use futures::stream::{self, BoxStream, StreamExt};
use serde::Serialize;

use super::entries::ExportedUser;
use crate::Error;
use crate::actions::Actions;
use crate::api::ConfigType;
use crate::secrets::Keyring;
use crate::store::{
    GroupDocument, LinkedAccountDocument, MemberDocument, OrganizationDocument, ProjectDocument,
    RemoteSourceDocument, SecretDocument, StoredParent, TokenDocument, UserDocument,
    VariableDocument,
};

/// Documents that are read at once.
const BATCH_DOCUMENTS_MAX: usize = 32;
/// Project groups of which it is remembered whether they can be reached, at most.
const KNOWN_GROUPS_MAX: usize = 100_000;
/// Groups above each other, at most.
const DEPTH_MAX: usize = 10_000;

/// The order in which agola exports.
const ORDER: [ConfigType; 8] = [
    ConfigType::User,
    ConfigType::Org,
    ConfigType::OrgMember,
    ConfigType::ProjectGroup,
    ConfigType::Project,
    ConfigType::RemoteSource,
    ConfigType::Secret,
    ConfigType::Variable,
];

/// The newest state as agola v0.7 exports it: type by type, in each by rising id, with secrets in clear. Tokens are left out,
/// since nobody knows them: users have to make theirs again. What lies below something that is being deleted is left out too.
///
/// # Errors
/// `Unavailable` if the store does not answer. In the stream: whatever keeps it from being whole.
pub(crate) async fn agola_export(
    actions: &Actions,
) -> Result<BoxStream<'static, Result<Bytes, Error>>, Error> {
    let held = actions.database().data_manager().held_snapshot().await?;
    let mut tokens = held
        .snapshot()
        .documents::<TokenDocument>(&ScanOptions::new().limit(1))?;
    if tokens.next().await?.is_some() {
        log::warn!(
            instance = actions.database().data_manager().instance();
            "an export in the format of agola has no tokens, since only their hashes are known: where it is imported, users \
             have to make theirs again"
        );
    }
    let export = Export {
        actions: actions.clone(),
        held,
        place: Some((0, None)),
        reachable: HashMap::new(),
    };
    let pieces = stream::try_unfold(export, |mut export| async move {
        let piece = export.next().await?;
        Ok(piece.map(|piece| (piece, export)))
    });
    Ok(pieces.boxed())
}

struct Export {
    actions: Actions,
    held: HeldSnapshot,
    /// Which type comes next, and behind which id; nothing at the end.
    place: Option<(usize, Option<String>)>,
    /// Whether groups can be reached from an owner.
    reachable: HashMap<String, bool>,
}

#[derive(Serialize)]
struct Entry<'a> {
    id: &'a str,
    data_type: &'a str,
    data: String,
}

/// Appends an object to a piece of the export.
fn add(
    piece: &mut BytesMut,
    kind: ConfigType,
    id: &str,
    object: &impl Serialize,
) -> Result<(), Error> {
    let data = serde_json::to_vec(object).map_err(Error::internal)?;
    let entry = Entry {
        id,
        data_type: kind.as_str(),
        data: STANDARD.encode(data),
    };
    serde_json::to_writer(piece.writer(), &entry).map_err(Error::internal)
}

impl Export {
    /// The next piece, `None` at the end.
    async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        self.held.keep().await?;
        while let Some((place, after)) = self.place.take() {
            let Some(kind) = ORDER.get(place).copied() else {
                return Ok(None);
            };
            let mut piece = BytesMut::new();
            let last = self.batch(kind, after, &mut piece).await?;
            self.place = Some(match last {
                Some(last) => (place, Some(last)),
                None => (place + 1, None),
            });
            if !piece.is_empty() {
                return Ok(Some(piece.freeze()));
            }
        }
        Ok(None)
    }

    /// Adds objects of one type to a piece; returns the id of the last, `None` if there were none.
    async fn batch(
        &mut self,
        kind: ConfigType,
        after: Option<String>,
        piece: &mut BytesMut,
    ) -> Result<Option<String>, Error> {
        let snapshot = self.held.snapshot().clone();
        match kind {
            ConfigType::User => {
                let users: Vec<UserDocument> = documents(&snapshot, after).await?;
                for user in &users {
                    add(piece, kind, &user.id, &self.user(&snapshot, user).await?)?;
                }
                Ok(last(&users))
            }
            ConfigType::Org => {
                let orgs: Vec<OrganizationDocument> = documents(&snapshot, after).await?;
                for org in &orgs {
                    add(piece, kind, &org.id, &org.to_api())?;
                }
                Ok(last(&orgs))
            }
            ConfigType::OrgMember => {
                let members: Vec<MemberDocument> = documents(&snapshot, after).await?;
                for member in &members {
                    let org = snapshot
                        .get::<OrganizationDocument>(&member.organization_id)
                        .await?;
                    let user = snapshot.get::<UserDocument>(&member.user_id).await?;
                    if org.is_some() && user.is_some() {
                        add(piece, kind, &member.id, &member.to_api())?;
                    }
                }
                Ok(last(&members))
            }
            ConfigType::ProjectGroup => {
                let groups: Vec<GroupDocument> = documents(&snapshot, after).await?;
                for group in &groups {
                    if self.is_reachable(&snapshot, &group.id).await? {
                        add(piece, kind, &group.id, &group.to_api())?;
                    }
                }
                Ok(last(&groups))
            }
            ConfigType::Project => {
                let projects: Vec<ProjectDocument> = documents(&snapshot, after).await?;
                for project in &projects {
                    if self.has_parent(&snapshot, &project.parent).await? {
                        add(piece, kind, &project.id, &project.to_api(self.keyring())?)?;
                    }
                }
                Ok(last(&projects))
            }
            ConfigType::RemoteSource => {
                let sources: Vec<RemoteSourceDocument> = documents(&snapshot, after).await?;
                for source in &sources {
                    add(piece, kind, &source.id, &source.to_api(self.keyring())?)?;
                }
                Ok(last(&sources))
            }
            ConfigType::Secret => {
                let secrets: Vec<SecretDocument> = documents(&snapshot, after).await?;
                for secret in &secrets {
                    if self.has_parent(&snapshot, &secret.parent).await? {
                        add(piece, kind, &secret.id, &secret.to_api(self.keyring())?)?;
                    }
                }
                Ok(last(&secrets))
            }
            ConfigType::Variable => {
                let variables: Vec<VariableDocument> = documents(&snapshot, after).await?;
                for variable in &variables {
                    if self.has_parent(&snapshot, &variable.parent).await? {
                        add(piece, kind, &variable.id, &variable.to_api())?;
                    }
                }
                Ok(last(&variables))
            }
        }
    }

    fn keyring(&self) -> &Keyring {
        self.actions.keyring()
    }

    async fn user(&self, snapshot: &Snapshot, user: &UserDocument) -> Result<ExportedUser, Error> {
        let accounts = Query::by("user").equal(user.id.as_str());
        let accounts = snapshot.query::<LinkedAccountDocument>(&accounts).await?;
        let accounts = accounts.collect().await?;
        let no_tokens: [TokenDocument; 0] = [];
        let field = UserDocument::field(&user.id, "password");
        Ok(ExportedUser {
            user: user.to_api(&accounts, &no_tokens, self.keyring())?,
            password: self.keyring().open(field, &user.password)?,
        })
    }

    async fn has_parent(
        &mut self,
        snapshot: &Snapshot,
        parent: &StoredParent,
    ) -> Result<bool, Error> {
        match parent.kind {
            ConfigType::Project => match snapshot.get::<ProjectDocument>(&parent.id).await? {
                Some(project) => self.is_reachable(snapshot, &project.parent.id).await,
                None => Ok(false),
            },
            _ => self.is_reachable(snapshot, &parent.id).await,
        }
    }

    /// Whether a group and all above it are there, up to an owner.
    async fn is_reachable(&mut self, snapshot: &Snapshot, id: &str) -> Result<bool, Error> {
        let mut way = Vec::new();
        let mut next = id.to_owned();
        let reachable = loop {
            if let Some(known) = self.reachable.get(&next) {
                break *known;
            }
            let group = snapshot.get::<GroupDocument>(&next).await?;
            way.push(next);
            let Some(group) = group.filter(|_| way.len() < DEPTH_MAX) else {
                break false;
            };
            let owner = &group.parent.id;
            match group.parent.kind {
                ConfigType::User => break snapshot.get::<UserDocument>(owner).await?.is_some(),
                ConfigType::Org => {
                    break snapshot.get::<OrganizationDocument>(owner).await?.is_some();
                }
                _ => next = group.parent.id,
            }
        };
        if self.reachable.len() + way.len() > KNOWN_GROUPS_MAX {
            self.reachable.clear();
        }
        self.reachable
            .extend(way.into_iter().map(|id| (id, reachable)));
        Ok(reachable)
    }
}

/// The documents of a type behind an id, as many as are read at once.
async fn documents<T: Document>(
    snapshot: &Snapshot,
    after: Option<String>,
) -> Result<Vec<T>, Error> {
    let mut options = ScanOptions::new().limit(BATCH_DOCUMENTS_MAX);
    if let Some(after) = after {
        options = options.after(after);
    }
    Ok(snapshot.documents::<T>(&options)?.collect().await?)
}

fn last<T: Document>(documents: &[T]) -> Option<String> {
    documents.last().map(|document| document.id().to_owned())
}
