//! Enumerations.

use crate::api;

/// Variants that have the same names on both sides.
macro_rules! same {
    ($ours:ty, $theirs:ty, [$($variant:ident),+]) => {
        impl From<$theirs> for $ours {
            fn from(theirs: $theirs) -> $ours {
                match theirs {
                    $(<$theirs>::$variant => <$ours>::$variant,)+
                }
            }
        }
    };
}

same!(
    api::Visibility,
    configstore::api::Visibility,
    [Public, Private]
);
same!(
    configstore::api::Visibility,
    api::Visibility,
    [Public, Private]
);
same!(
    api::MemberRole,
    configstore::api::MemberRole,
    [Owner, Member]
);
same!(
    configstore::api::MemberRole,
    api::MemberRole,
    [Owner, Member]
);
same!(
    api::WhenConditionType,
    configstore::api::WhenConditionType,
    [Simple, Regexp]
);
same!(
    configstore::api::WhenConditionType,
    api::WhenConditionType,
    [Simple, Regexp]
);
same!(
    configstore::api::SecretType,
    api::SecretType,
    [Internal, External]
);
same!(
    api::RunPhase,
    runservice::api::RunPhase,
    [SetupError, Queued, Cancelled, Running, Finished]
);
same!(
    runservice::api::RunPhase,
    api::RunPhase,
    [SetupError, Queued, Cancelled, Running, Finished]
);
same!(
    api::RunResult,
    runservice::api::RunResult,
    [Unknown, Stopped, Success, Failed]
);
same!(
    runservice::api::RunResult,
    api::RunResult,
    [Unknown, Stopped, Success, Failed]
);
same!(
    api::RunTaskStatus,
    runservice::api::RunTaskStatus,
    [
        NotStarted, Skipped, Cancelled, Running, Stopped, Success, Failed
    ]
);
same!(
    api::StepPhase,
    runservice::api::ExecutorTaskPhase,
    [NotStarted, Cancelled, Running, Stopped, Success, Failed]
);
same!(
    api::DependCondition,
    runservice::api::DependCondition,
    [OnSuccess, OnFailure, OnSkipped]
);
