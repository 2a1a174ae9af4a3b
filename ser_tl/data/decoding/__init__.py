"""From encoded audio or arrays to blocks of samples. `data.audio` is the door; nothing else imports these modules."""
