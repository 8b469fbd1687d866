//! The web console, rendered on the server: no script, no asset from anywhere else, every fact linked to its record.

mod chain;
mod findings;
mod layout;
mod measures;
mod pages;
mod request;

use linkward_record::{Store, StoreError};

pub use request::{HomeFacts, Request, Response};

use crate::layout::{CSS, css_path};

/// Answers a GET. Never fails: what cannot be shown is a page that says so.
pub fn respond(store: &Store, home: &HomeFacts, request: &Request<'_>) -> Response {
    route(store, home, request).unwrap_or_else(|error| {
        let body =
            layout::message("Something is wrong with the record", &error.to_string(), "linkward log verify");
        Response::page(500, body)
    })
}

fn route(store: &Store, home: &HomeFacts, request: &Request<'_>) -> Result<Response, StoreError> {
    let parts: Vec<&str> = request.path.split('/').filter(|part| !part.is_empty()).collect();
    Ok(match parts.as_slice() {
        [] => Response::page(200, pages::chain(store, home)?),
        ["artifact", digest] => pages::artifact(store, digest)?,
        ["log"] => Response::page(200, pages::log(store, request)?),
        ["log", "verify"] => Response::page(200, pages::verify(store)?),
        ["log", "entry", index] => pages::entry(store, index)?,
        ["search"] => Response::page(200, pages::search(store, request)?),
        ["gate"] => Response::page(200, pages::gate(home)),
        ["codes"] => Response::page(200, pages::codes()),
        ["codes", code] => pages::code(code),
        ["api", "v1"] => Response::json(&chain::index()),
        ["api", "v1", "chain"] => Response::json(&chain::read(store)?),
        ["api", "v1", "records", index] => pages::record_json(store, index)?,
        ["findings"] => Response::page(200, findings::list(home)),
        ["findings", id] => findings::one(home, id),
        ["coverage"] => Response::page(200, findings::coverage(home)),
        ["measures"] => Response::page(200, measures::show(store, home)?),
        ["assess"] => Response::page(200, measures::assessment(store, home)?),
        ["api", "v1", "findings"] => {
            Response::json(&serde_json::json!({ "version": 1, "findings": home.findings }))
        }
        ["api", "v1", "measures"] => Response::json(&measures::json(store, home)?),
        ["metrics"] => Response::text(pages::metrics(store, home)? + &measures::metrics(store, home)?),
        _ if request.path == css_path() => Response::css(CSS),
        _ => Response::page(
            404,
            layout::message(
                "No such page",
                "The address names nothing that is recorded here.",
                "linkward log list",
            ),
        ),
    })
}
