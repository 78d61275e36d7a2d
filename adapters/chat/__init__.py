"""What the chats share: sentences, forms, pages, pacing, the pager, strict reading, work after an answer."""
