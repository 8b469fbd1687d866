//! Any text as a mirror's list: a list that leads somewhere and is written as it was read, or a fault.
#![no_main]

use libfuzzer_sys::fuzz_target;
use linkward_advisory::feed::Feed;

fuzz_target!(|text: &str| {
    if let Ok(feed) = Feed::parse(text) {
        assert_eq!(Feed::parse(&feed.to_string()).expect("what was written can be read"), feed);
        let way = feed.way(None);
        assert_eq!(way.last().map(|item| item.to), Some(feed.database()));
    }
});
