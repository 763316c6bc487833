//! What the descriptions of all routes have in common.

use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn, PathItem};
use utoipa::openapi::{
    ContentBuilder, ObjectBuilder, OpenApi, Ref, RefOr, Required, ResponseBuilder, Type,
};

/// Adds to a description the parameters that its paths name, each with what `describe` says of it, and the failures that
/// every route may answer with.
pub fn complete(mut document: OpenApi, describe: impl Fn(&str) -> &'static str) -> OpenApi {
    for (path, item) in &mut document.paths.paths {
        let parameters: Vec<Parameter> = parameters(path, &describe).collect();
        for operation in operations(item) {
            operation
                .parameters
                .get_or_insert_default()
                .extend(parameters.iter().cloned().map(RefOr::T));
            add_failures(operation);
        }
    }
    document
}

/// Adds failures that every route may answer with, as their statuses and what they mean.
pub fn with_failures(mut document: OpenApi, failures: &[(&str, &str)]) -> OpenApi {
    for item in document.paths.paths.values_mut() {
        for operation in operations(item) {
            for (status, description) in failures {
                add_failure(operation, status, description);
            }
        }
    }
    document
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let methods = [
        &mut item.get,
        &mut item.post,
        &mut item.put,
        &mut item.delete,
        &mut item.head,
    ];
    methods.into_iter().flatten()
}

/// The parameters that a path names.
fn parameters(
    path: &str,
    describe: impl Fn(&str) -> &'static str,
) -> impl Iterator<Item = Parameter> {
    let names = path.split('/').filter_map(|segment| {
        segment
            .strip_prefix('{')
            .and_then(|segment| segment.strip_suffix('}'))
    });
    names.map(move |name| {
        ParameterBuilder::new()
            .name(name)
            .parameter_in(ParameterIn::Path)
            .required(Required::True)
            .description(Some(describe(name)))
            .schema(Some(ObjectBuilder::new().schema_type(Type::String).build()))
            .build()
    })
}

/// What every route may answer.
fn add_failures(operation: &mut Operation) {
    for (status, description) in [
        (
            "400",
            "The request does not fit, or what it rests on is not there.",
        ),
        ("401", "A token is needed."),
        ("404", "What is asked for is not there."),
        ("408", "The body came too slowly."),
        ("409", "Others changed the same things again and again."),
        ("413", "The body is too large."),
        ("503", "In maintenance, or the store does not answer."),
        ("504", "The change may or may not have been made."),
    ] {
        add_failure(operation, status, description);
    }
}

fn add_failure(operation: &mut Operation, status: &str, description: &str) {
    let content = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name("ErrorBody")))
        .build();
    let response = ResponseBuilder::new()
        .description(description)
        .content("application/json", content)
        .build();
    operation
        .responses
        .responses
        .insert(status.to_owned(), response.into());
}
