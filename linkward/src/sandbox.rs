//! What is scanned is hostile, and parsers are where it strikes: before any of it is read, this process gives up the right to
//! change files, to start programs and, where nothing has to be fetched, to reach anybody (Landlock, Linux 5.13 and later; and a
//! filter of system calls, which kernels without Landlock have too).

mod calls;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, CompatLevel, Compatible as _, Ruleset, RulesetAttr as _,
    RulesetStatus,
};

/// Whether the target has to be fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Network {
    Needed,
    GivenUp,
}

/// How much of it this kernel holds to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Confined {
    Fully,
    Partly,
    /// The kernel cannot: nothing is given up, and everything else that bounds what is hostile still does.
    Not,
}

/// Gives up for good, for this thread and all that it starts later.
pub(crate) fn enter(network: Network) -> Confined {
    let abi = ABI::V5;
    let entered = || -> Result<RulesetStatus, landlock::RulesetError> {
        let mut rules = Ruleset::default().set_compatibility(CompatLevel::BestEffort);
        rules = rules.handle_access(AccessFs::from_write(abi) | AccessFs::Execute)?;
        if network == Network::GivenUp {
            rules = rules.handle_access(AccessNet::from_all(abi))?;
        }
        Ok(rules.create()?.restrict_self()?.ruleset)
    };
    let files = entered();
    // Last: setting up Landlock is among what is given up.
    match (files, calls::give_up(network)) {
        (Ok(RulesetStatus::FullyEnforced), true) => Confined::Fully,
        (Ok(RulesetStatus::NotEnforced) | Err(_), false) => Confined::Not,
        _ => Confined::Partly,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_entered_changes_nothing_and_starts_nothing() {
        let folder = linkward_testkit::scratch();
        let path = folder.path().to_path_buf();
        std::fs::write(path.join("read"), "text").unwrap();
        // What is given up is given up by the thread alone.
        let thread = std::thread::spawn(move || {
            if enter(Network::GivenUp) == Confined::Not {
                return false;
            }
            assert_eq!(std::fs::read_to_string(path.join("read")).unwrap(), "text");
            for refused in [
                std::fs::write(path.join("new"), "x").err(),
                std::fs::remove_file(path.join("read")).err(),
                std::process::Command::new("/bin/true").spawn().err(),
            ] {
                assert_eq!(refused.map(|error| error.kind()), Some(std::io::ErrorKind::PermissionDenied));
            }
            true
        });
        if !thread.join().unwrap() {
            linkward_testkit::skipped("this kernel has neither Landlock nor filters of system calls");
        }
        std::fs::write(folder.path().join("after"), "x").unwrap();
    }
}
