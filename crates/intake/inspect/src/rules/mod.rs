pub(crate) mod broad_permissions;
pub(crate) mod hidden_unicode;
pub(crate) mod install_script;
pub(crate) mod piped_shell;
pub(crate) mod script_injection;
pub(crate) mod unpinned_action;
pub(crate) mod untrusted_checkout;
