//! A scan as one page for a browser: nothing is loaded from elsewhere, and no text of the target becomes markup.

use linkward_advisory::{Assessment, Judged, Report};
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::table::advice;
use crate::table::visible;

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:72rem;padding:0 1rem;color:#1b1b1f;background:#fff}\
    table{border-collapse:collapse;width:100%;margin:1rem 0}th,td{text-align:left;padding:.35rem .6rem;border-bottom:1px solid #ddd;vertical-align:top}\
    code{font:13px ui-monospace,monospace;overflow-wrap:anywhere}.bad{color:#a00000;font-weight:600}.unknown{color:#7a5200;font-weight:600}\
    @media(prefers-color-scheme:dark){body{background:#16161a;color:#e6e6ea}th,td{border-color:#3a3a42}.bad{color:#ff8a80}.unknown{color:#ffcf70}}";

pub(super) fn of(report: &Report) -> String {
    let totals = &report.totals;
    let title = format!("Linkward scan of {}", visible(&report.target));
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { (title) }
                p {
                    (totals.components) " components: "
                    span.bad { (totals.affected) " affected" } ", " (totals.not_affected) " not affected, "
                    span.unknown { (totals.unknown) " unknown" } "; "
                    (totals.ignored) " findings ignored, " (totals.excused) " excused; "
                    (format!("{:.1} % vulnerable", totals.vulnerable_ratio * 100.0)) ". " (report.at.to_string())
                }
                (data(report))
                @if totals.findings > 0 {
                    h2 { "Findings" }
                    table {
                        thead { tr { th { "Package" } th { "Advisory" } th { "Severity" } th { "Fixed in" } th { "Where" } th { "What to do" } } }
                        tbody { @for (judged, finding) in report.findings() {
                            tr {
                                td { code { (visible(&judged.id)) } }
                                td { (visible(&finding.id)) br; (visible(&finding.summary)) }
                                td.bad { (finding.priority()) }
                                td { (visible(finding.fixed.as_deref().unwrap_or("-"))) }
                                td { @for place in &judged.locations { code { (visible(place)) } br; } }
                                td { (advice(judged.fix())) }
                            }
                        } }
                    }
                }
                (unknown(report))
                (excused(report))
                h2 { "Components" }
                table {
                    thead { tr { th { "Component" } th { "State" } th { "Where" } } }
                    tbody { @for judged in &report.components {
                        tr { td { code { (visible(&judged.id)) } } td { (state(judged)) } td { @for place in &judged.locations { code { (visible(place)) } br; } } }
                    } }
                }
            }
        }
    };
    page.into_string()
}

fn state(judged: &Judged) -> &'static str {
    match judged.assessment {
        Assessment::Affected { .. } => "affected",
        Assessment::NotAffected => "not affected",
        Assessment::Unknown { .. } => "unknown",
    }
}

fn data(report: &Report) -> Markup {
    html! {
        @match &report.database {
            None => p.bad { "There is no advisory database: nothing is known to be clean." },
            Some(data) => p {
                "Data " code { (data.digest.short()) } ": "
                @for covered in &data.coverage {
                    (visible(&covered.ecosystem)) " "
                    @match covered.age_days { Some(days) => { (days) " days old; " } None => { span.unknown { "not covered; " } } }
                }
            },
        }
    }
}

fn unknown(report: &Report) -> Markup {
    let of_components = report
        .components
        .iter()
        .flat_map(|judged| judged.doubts().iter().map(move |doubt| (judged.id.as_str(), doubt)));
    let all: Vec<_> = report.doubts.iter().map(|doubt| ("", doubt)).chain(of_components).collect();
    html! {
        @if !all.is_empty() {
            h2 { "Could not be said" }
            table {
                thead { tr { th { "Code" } th { "Component" } th { "Detail" } th { "Next" } } }
                tbody { @for (component, doubt) in all {
                    tr { td.unknown { (doubt.code.as_str()) } td { code { (visible(component)) } } td { (visible(&doubt.detail)) } td { (doubt.code.fix()) } }
                } }
            }
        }
    }
}

fn excused(report: &Report) -> Markup {
    let ignored = report.components.iter().flat_map(|judged| {
        judged.ignored.iter().map(move |ignored| {
            let why = format!(
                "ignored by {} until {}: {}",
                ignored.rule.owner, ignored.rule.until, ignored.rule.reason
            );
            (judged.id.as_str(), ignored.finding.id.as_str(), why)
        })
    });
    let excused = report.components.iter().flat_map(|judged| {
        judged.excused.iter().map(move |excused| {
            let why = format!(
                "{}: {}",
                excused.document,
                excused.justification.as_deref().unwrap_or("no justification")
            );
            (judged.id.as_str(), excused.finding.id.as_str(), why)
        })
    });
    let all: Vec<_> = ignored.chain(excused).collect();
    html! {
        @if !all.is_empty() {
            h2 { "Ignored and excused" }
            table {
                thead { tr { th { "Component" } th { "Advisory" } th { "Why" } } }
                tbody { @for (component, advisory, why) in all {
                    tr { td { code { (visible(component)) } } td { (visible(advisory)) } td { (visible(&why)) } }
                } }
            }
        }
    }
}
