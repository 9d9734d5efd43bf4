"""The door: what every request passes before the page or the API sees it. See `door.door` for the order."""
