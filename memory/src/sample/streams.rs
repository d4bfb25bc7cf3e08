//! A log that is fed by a stream: messages that were taken, and one that was not.

use super::*;
use crate::record::MessageReceived;

/// Two writers one after the other; what a person said came in between, and something that could not be taken.
pub fn streams(scribe: &mut Scribe) {
    let received = |sequence, fence, records| MessageReceived { shard: 1, sequence, fence, records, refused: None };
    scribe.expect(Record::MessageReceived(received(1, 4, 0)));
    scribe.expect(Record::MessageReceived(received(2, 4, 1)));
    scribe.expect(choice("ada", 0, 1, Some(0)));
    let why = Some("it is of another schema".into());
    scribe.expect(Record::MessageReceived(MessageReceived { refused: why, ..received(4, 4, 0) }));
    scribe.expect(Record::MessageReceived(received(5, 9, 0)));
    scribe.record_belief("ada");
}
