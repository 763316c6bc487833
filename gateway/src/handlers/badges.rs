//! Badges.

use actix_web::HttpResponse;
use actix_web::http::header::CACHE_CONTROL;
use service::Opened;

use super::parts::{Parameters, Reply, Segment};
use crate::actions::Gateway;
use crate::convert::RunState;

/// The width of the left part, which says "run".
const LABEL_WIDTH: u32 = 29;

/// How the newest run of a project stands, as a picture. For everybody, of private projects too.
#[utoipa::path(get, path = "/api/v1alpha/badges/{projectref}", tag = "projects", params(
    ("branch" = Option<String>, Query, description = "The branch; without it any."),
), responses((status = 200, description = "The picture.", body = String, content_type = "image/svg+xml")))]
pub(super) async fn one(
    Opened(gateway): Opened<Gateway>,
    Segment(project): Segment<1>,
    parameters: Parameters,
) -> Reply {
    let state = gateway.badge(&project, parameters.value("branch")).await?;
    Ok(HttpResponse::Ok()
        .content_type("image/svg+xml")
        .insert_header((CACHE_CONTROL, "no-cache"))
        .body(picture(state)))
}

fn picture(state: RunState) -> String {
    let (text, colour, width) = match state {
        RunState::Unknown => ("unknown", "#9f9f9f", 90),
        RunState::Success => ("success", "#4c1", 82),
        RunState::Failed => ("failed", "#e05d44", 68),
        RunState::InProgress => ("inprogress", "#007ec6", 96),
        RunState::Error => ("error", "#dfb317", 66),
    };
    let value_width = width - LABEL_WIDTH;
    let label_middle = f64::from(LABEL_WIDTH) / 2.0;
    let value_middle = f64::from(LABEL_WIDTH) + f64::from(value_width) / 2.0;
    format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="20" role="img" aria-label="run: {text}"><title>run: {text}</title><rect width="{LABEL_WIDTH}" height="20" fill="#555"/><rect x="{LABEL_WIDTH}" width="{value_width}" height="20" fill="{colour}"/><g fill="#fff" text-anchor="middle" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11"><text x="{label_middle}" y="14">run</text><text x="{value_middle}" y="14">{text}</text></g></svg>"##
    )
}
