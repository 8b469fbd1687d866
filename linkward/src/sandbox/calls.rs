//! System calls that a reader of files never needs: to change files, to start or steer programs, to reach anybody, to change what
//! the kernel is or shows. Each is refused with EPERM. What it needs is not listed: a parser's calls differ by C library.

use std::collections::BTreeMap;

use libc::{O_ACCMODE, O_CREAT, O_RDWR, O_TRUNC, O_WRONLY};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen as Length, SeccompCmpOp as Compare,
    SeccompCondition as Condition, SeccompFilter, SeccompRule as Rule, TargetArch,
};

use super::Network;

/// Refused whatever their arguments are.
const ALWAYS: &[libc::c_long] = &[
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_unlinkat,
    libc::SYS_renameat2,
    libc::SYS_mkdirat,
    libc::SYS_linkat,
    libc::SYS_symlinkat,
    libc::SYS_mknodat,
    libc::SYS_truncate,
    libc::SYS_fchmodat,
    libc::SYS_fchownat,
    libc::SYS_setxattr,
    libc::SYS_lsetxattr,
    libc::SYS_removexattr,
    libc::SYS_lremovexattr,
    libc::SYS_utimensat,
    libc::SYS_openat2,
    libc::SYS_open_by_handle_at,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsmount,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_sethostname,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_setuid,
    libc::SYS_setgid,
    libc::SYS_setresuid,
    libc::SYS_setresgid,
    libc::SYS_setgroups,
    libc::SYS_capset,
    libc::SYS_pidfd_getfd,
];

/// Their older names, which newer processors do without.
#[cfg(target_arch = "x86_64")]
const OLDER: &[libc::c_long] = &[
    libc::SYS_unlink,
    libc::SYS_rename,
    libc::SYS_renameat,
    libc::SYS_mkdir,
    libc::SYS_rmdir,
    libc::SYS_link,
    libc::SYS_symlink,
    libc::SYS_mknod,
    libc::SYS_chmod,
    libc::SYS_chown,
    libc::SYS_lchown,
    libc::SYS_creat,
    libc::SYS_utime,
    libc::SYS_utimes,
];
#[cfg(not(target_arch = "x86_64"))]
const OLDER: &[libc::c_long] = &[];

/// Those that reach others.
const NETWORK: &[libc::c_long] = &[
    libc::SYS_socket,
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_accept4,
    libc::SYS_sendto,
];

/// Whether the kernel keeps this thread, and what it starts, from these calls from now on.
pub(super) fn give_up(network: Network) -> bool {
    program(network).is_some_and(|program| seccompiler::apply_filter(&program).is_ok())
}

fn program(network: Network) -> Option<BpfProgram> {
    let target = TargetArch::try_from(std::env::consts::ARCH).ok()?;
    let mut rules: BTreeMap<libc::c_long, Vec<Rule>> = BTreeMap::new();
    let away: &[libc::c_long] = if network == Network::GivenUp { NETWORK } else { &[] };
    for call in ALWAYS.iter().chain(OLDER).chain(away) {
        rules.insert(*call, Vec::new());
    }
    // The flags stand third in openat, and second in open.
    rules.insert(libc::SYS_openat, writing(2)?);
    #[cfg(target_arch = "x86_64")]
    rules.insert(libc::SYS_open, writing(1)?);
    let refuse = SeccompAction::Errno(u32::try_from(libc::EPERM).ok()?);
    SeccompFilter::new(rules, SeccompAction::Allow, refuse, target).ok()?.try_into().ok()
}

/// Opening a file in order to change it.
fn writing(argument: u8) -> Option<Vec<Rule>> {
    let masks = [(O_ACCMODE, O_WRONLY), (O_ACCMODE, O_RDWR), (O_CREAT, O_CREAT), (O_TRUNC, O_TRUNC)];
    let rule = |(mask, value): (i32, i32)| {
        let (mask, value) = (u64::try_from(mask).ok()?, u64::try_from(value).ok()?);
        let condition = Condition::new(argument, Length::Dword, Compare::MaskedEq(mask), value).ok()?;
        Rule::new(vec![condition]).ok()
    };
    masks.into_iter().map(rule).collect()
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind::PermissionDenied;
    use std::net::TcpListener;
    use std::os::unix::net::UnixStream;

    use super::*;

    /// Each of these is a call that the filter alone stops: Landlock is not asked for here.
    #[test]
    fn what_is_given_up_is_stopped_by_the_kernel() {
        let folder = linkward_testkit::scratch();
        let path = folder.path().to_path_buf();
        std::fs::write(path.join("read"), "text").unwrap();
        let thread = std::thread::spawn(move || {
            assert!(give_up(Network::GivenUp), "every kernel that this is built for has filters");
            assert_eq!(std::fs::read_to_string(path.join("read")).unwrap(), "text");
            assert_eq!(std::fs::read_dir(&path).unwrap().count(), 1);
            for (what, refused) in [
                ("write", std::fs::write(path.join("new"), "x").err()),
                ("append", std::fs::OpenOptions::new().append(true).open(path.join("read")).err()),
                ("remove", std::fs::remove_file(path.join("read")).err()),
                ("rename", std::fs::rename(path.join("read"), path.join("moved")).err()),
                ("folder", std::fs::create_dir(path.join("folder")).err()),
                ("link", std::os::unix::fs::symlink("/etc", path.join("link")).err()),
                (
                    "rights",
                    std::fs::set_permissions(
                        path.join("read"),
                        std::fs::metadata(&path).unwrap().permissions(),
                    )
                    .err(),
                ),
                ("start", std::process::Command::new("/bin/true").spawn().err()),
                ("listen", TcpListener::bind("127.0.0.1:0").err()),
                ("socket", UnixStream::connect("/nowhere").err()),
            ] {
                assert_eq!(refused.map(|error| error.kind()), Some(PermissionDenied), "{what}");
            }
            // What is started later is held as well.
            let inner = std::thread::spawn(move || std::fs::remove_file(path.join("read")).err());
            assert_eq!(inner.join().unwrap().map(|error| error.kind()), Some(PermissionDenied));
        });
        thread.join().unwrap();
        assert_eq!(std::fs::read_to_string(folder.path().join("read")).unwrap(), "text");
    }

    #[test]
    fn who_has_to_fetch_may() {
        let thread = std::thread::spawn(|| {
            assert!(give_up(Network::Needed));
            TcpListener::bind("127.0.0.1:0").unwrap();
            assert!(std::process::Command::new("/bin/true").spawn().is_err());
        });
        thread.join().unwrap();
    }
}
