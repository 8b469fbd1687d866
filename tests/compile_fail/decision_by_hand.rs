//~ E0451
use linkward_deploy::{Decision, BreakGlass};

pub fn forge() -> (Decision, BreakGlass) {
    (todo!(), BreakGlass { permit: todo!() })
}
