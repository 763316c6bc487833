//! Values that are one of a few names.

use service::names;

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
