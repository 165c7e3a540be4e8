"""A declaration of an account with one of everything, as `linegate apply` takes it."""

from typing import Any

from support.bubbles import a_bubble, a_text

__all__ = ["KEY", "Json", "a_declaration", "a_template"]

KEY = "0123456789abcdef0123456789abcdef-of-the-shop"
Json = dict[str, Any]


def a_template(text: str = "Hello {{name}}", **more: Any) -> Json:
    bubble = a_bubble(a_text(text))
    return {"sender": "SHOP", "name": "hi", "altText": "Hi", "contents": bubble, **more}


def a_declaration(**more: Any) -> Json:
    return {
        "accounts": [
            {
                "name": "shop",
                "defaultSender": "SHOP",
                "messagesPerDay": 1000,
                "webhook": "https://shop.example/reports",
                "senders": [
                    {
                        "name": "SHOP",
                        "channelId": "7",
                        "channelSecret": "s" * 32,
                        "countries": ["JP"],
                        "price": "1.50",
                        "currency": "JPY",
                    }
                ],
                "keys": [{"name": "backend", "key": KEY, "requestsPerSecond": 100}],
                "users": [{"name": "anna", "password": "correct horse battery"}],
                "applications": [{"id": "web", "name": "Web", "messagesPerDay": 10}],
                "entities": [{"id": "tokyo", "defaultSender": "SHOP"}],
                "smsRoutes": [
                    {"name": "main", "url": "infobip://key@example.com", "defaultSender": "Shop"}
                ],
                "templates": [a_template()],
                "blocklist": ["+81 90 1000 0099"],
                **more,
            }
        ]
    }
