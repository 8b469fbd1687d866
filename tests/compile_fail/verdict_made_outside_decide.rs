//~ E0451
use linkward_decide::Verdict;

pub fn forge() -> Verdict {
    Verdict { wire: todo!() }
}
