"""What the chats share: labels, strict reading of payloads, and work that goes on after an answer."""
