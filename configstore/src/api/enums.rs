//! Values that are one of a few names.

use std::fmt;
use std::str::FromStr;

/// A text that is none of the names that are accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownName {
    text: String,
    accepted: &'static [&'static str],
}

impl fmt::Display for UnknownName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{:?} is none of {}",
            self.text,
            self.accepted.join(", ")
        )
    }
}

impl std::error::Error for UnknownName {}

/// Makes an enum of names: `as_str`, text forms, and JSON as a string. The empty name stands for "none": fields that may
/// lack a value are an `Option`, read with `optional` and left out if empty.
macro_rules! names {
    ($(#[$meta:meta])* $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
        #[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
        pub enum $name {
            $($(#[$variant_meta])* #[serde(rename = $text)] $variant,)+
        }

        impl $name {
            const NAMES: &'static [&'static str] = &[$($text),+];

            /// The name as it stands in JSON.
            pub fn as_str(self) -> &'static str {
                match self {
                    $($name::$variant => $text,)+
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = UnknownName;

            fn from_str(text: &str) -> Result<$name, UnknownName> {
                match text {
                    $($text => Ok($name::$variant),)+
                    _ => Err(UnknownName { text: text.to_owned(), accepted: $name::NAMES }),
                }
            }
        }
    };
}

names! {
    /// Who can see an object.
    Visibility {
        /// Everybody.
        Public = "public",
        /// Members alone.
        Private = "private",
    }
}

names! {
    /// What a member of an organization may do.
    MemberRole {
        /// Everything.
        Owner = "owner",
        /// What members may.
        Member = "member",
    }
}

names! {
    /// The kinds of objects.
    ConfigType {
        /// A user.
        User = "user",
        /// An organization.
        Org = "org",
        /// A membership.
        OrgMember = "orgmember",
        /// A project group.
        ProjectGroup = "projectgroup",
        /// A project.
        Project = "project",
        /// A remote source.
        RemoteSource = "remotesource",
        /// A secret.
        Secret = "secret",
        /// A variable.
        Variable = "variable",
    }
}

names! {
    /// Where a project's repository is configured.
    RemoteRepositoryConfigType {
        /// By hand, meant for tests.
        Manual = "manual",
        /// At a remote source, through a linked account.
        RemoteSource = "remotesource",
    }
}

names! {
    /// The products that can be a remote source.
    RemoteSourceType {
        /// Gitea.
        Gitea = "gitea",
        /// GitHub.
        Github = "github",
        /// GitLab.
        Gitlab = "gitlab",
    }
}

impl RemoteSourceType {
    /// Whether users can sign in at such a source in this way.
    pub fn supports(self, auth_type: AuthType) -> bool {
        match (self, auth_type) {
            (_, AuthType::Oauth2) | (RemoteSourceType::Gitea, AuthType::Password) => true,
            (RemoteSourceType::Github | RemoteSourceType::Gitlab, AuthType::Password) => false,
        }
    }
}

names! {
    /// How users sign in at a remote source.
    AuthType {
        /// With a password.
        Password = "password",
        /// With OAuth2.
        Oauth2 = "oauth2",
    }
}

names! {
    /// Where the data of a secret is.
    SecretType {
        /// In this service.
        Internal = "internal",
        /// Elsewhere; not accepted yet.
        External = "external",
    }
}

names! {
    /// How a condition compares.
    WhenConditionType {
        /// For equality.
        Simple = "simple",
        /// By a regular expression that may match anywhere.
        Regexp = "regexp",
    }
}

/// Reads a name where there may be none: `null` and the empty text count as none.
pub(crate) fn optional<'de, D, E>(deserializer: D) -> Result<Option<E>, D::Error>
where
    D: serde::Deserializer<'de>,
    E: FromStr<Err = UnknownName>,
{
    use serde::Deserialize;
    let text = Option::<std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
    match text.as_deref() {
        None | Some("") => Ok(None),
        Some(name) => name.parse().map(Some).map_err(serde::de::Error::custom),
    }
}
