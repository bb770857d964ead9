"""Who may change anything: keys with scopes, the cookie that stands for one, and where requests may come from."""
