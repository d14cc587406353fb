"""What a model of your texts must do, whatever it learned from: the cases of behaviour.py. Extend them.

Write cases in the words of those who write to you, and never copy them from the rows: a text that the model was
trained on tests its memory.
"""

from __future__ import annotations

# Minimum functionality: short texts that leave no doubt, by the label that they must get.
MINIMUM: dict[str, tuple[str, ...]] = {
    "account_locked": (
        "My account is locked.",
        "It says my account has been blocked, please unlock it.",
        "I am locked out of my account after too many attempts.",
    ),
    "address_change": (
        "I have moved, please change my address.",
        "How do I update my delivery address?",
        "My new address is 12 Mill Lane.",
    ),
    "billing_error": (
        "You charged me twice.",
        "The amount on my invoice is wrong.",
        "There is a charge on my bill that I do not recognise.",
    ),
    "cancellation": (
        "Please cancel my order.",
        "I want to cancel my subscription.",
        "I would like to cancel.",
    ),
    "defective_item": (
        "The screen is broken.",
        "It arrived damaged and does not work.",
        "It stopped working after two days.",
    ),
    "delivery_late": (
        "My delivery is late.",
        "My order should have been here a week ago and is still on its way.",
        "Why is the delivery delayed again?",
    ),
    "parcel_missing": (
        "My parcel never arrived although it is marked as delivered.",
        "Tracking says delivered, but there is no parcel.",
        "My parcel is lost.",
    ),
    "password_reset": (
        "I forgot my password.",
        "How do I reset my password?",
        "The link to reset my password does not arrive.",
    ),
    "product_question": (
        "Is this lamp suitable for outdoor use?",
        "Which size should I choose?",
        "Does the speaker come with a charger?",
    ),
    "refund": (
        "I want my money back.",
        "When will I get my refund?",
        "I sent it back, but the refund has not been paid yet.",
    ),
}

# Invariance: what is said around the matter ({} is the text) must not change the answer.
AROUND = {
    "greeting": "Hello there,\n\n{}",
    "signature": "{}\n\nKind regards,\nAlex",
    "thanks": "{} Thank you very much for your help.",
    "small talk": "I hope you had a good weekend. {}",
    "negated matter": "{} By the way, I do not want to cancel anything.",
}

# Invariance: words of one line may take each other's place.
INTERCHANGEABLE = (
    ("kettle", "blender", "backpack", "lamp", "vacuum", "headset", "toaster", "tent", "keyboard", "drill", "speaker"),
    ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    ("January", "February", "April", "June", "September", "October", "November"),
    ("Robin", "Alex", "Kim", "Chris"),
)

# Invariance: the long and the short form say the same.
CONTRACTIONS = (
    ("I am", "I'm"),
    ("I have", "I've"),
    ("I would", "I'd"),
    ("it is", "it's"),
    ("is not", "isn't"),
    ("does not", "doesn't"),
    ("did not", "didn't"),
    ("do not", "don't"),
    ("has not", "hasn't"),
    ("cannot", "can't"),
)

# Direction: the sentence, added to a text about something else, must make the label more likely.
TOWARDS = {
    "account_locked": "Also, my account is locked.",
    "address_change": "Also, I have moved, please change my address.",
    "billing_error": "Also, the invoice is wrong, you charged me twice.",
    "cancellation": "Please cancel my subscription.",
    "defective_item": "Also, the thing is broken and does not work.",
    "delivery_late": "Also, the delivery is late.",
    "parcel_missing": "Also, my parcel is lost, it never arrived.",
    "password_reset": "Also, I need to reset my password.",
    "product_question": "Also, is it suitable for outdoor use?",
    "refund": "I want my money back.",
}
