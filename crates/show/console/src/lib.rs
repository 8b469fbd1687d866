//! The web console, rendered on the server: no asset from anywhere else, every fact linked to its record. One script keeps
//! boards current; without it they are the same, and as old as their loading.

mod access;
mod boards;
mod chain;
mod export;
mod findings;
mod graph;
mod layout;
mod measures;
mod pages;
mod request;

use linkward_record::{Store, StoreError};

pub use access::{Access, LoginPage, access_page, account_page, login_page, refused_page};
pub use request::{HomeFacts, Request, Response, Who};

use crate::layout::{CSS, SCRIPT, css_path, script_path};

/// Answers a GET. Never fails: what cannot be shown is a page that says so.
pub fn respond(store: &Store, home: &HomeFacts, request: &Request<'_>) -> Response {
    route(store, home, request).unwrap_or_else(|error| {
        let body =
            layout::message("Something is wrong with the record", &error.to_string(), "linkward log verify");
        Response::page(500, body)
    })
}

fn route(store: &Store, home: &HomeFacts, request: &Request<'_>) -> Result<Response, StoreError> {
    if let Some((code, why)) = home.waiting.as_ref().filter(|_| request.path != "/metrics") {
        return Ok(layout::waiting(request.path, *code, why));
    }
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
        ["measures"] => Response::page(200, measures::show(home)),
        ["assess"] => Response::page(200, measures::assessment(store, home)?),
        ["api", "v1", "findings"] => {
            Response::json(&serde_json::json!({ "version": 1, "findings": home.findings }))
        }
        ["api", "v1", "measures"] => Response::json(&measures::json(home)),
        ["api", "v1", "measures", "history"] => Response::json(&measures::history(home)),
        ["board"] | ["board", "on-call"] => Response::page(200, boards::on_call(home)),
        ["board", "executive"] => Response::page(200, boards::executive(home)),
        ["board", "debug"] => Response::page(200, boards::debug(store, home, request)?),
        ["api", "v1", "board"] => Response::json(&boards::json(home)),
        ["export", name] => match export::file(store, home, name)? {
            Some(file) => file,
            None => {
                let text = format!("Tables are {}; as .csv or .json.", export::TABLES.join(", "));
                Response::page(404, layout::message("No such table", &text, "linkward detect list"))
            }
        },
        ["metrics"] => Response::text(measures::metrics(home)),
        _ if request.path == css_path() => Response::css(CSS),
        _ if request.path == script_path() => Response::script(SCRIPT),
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
