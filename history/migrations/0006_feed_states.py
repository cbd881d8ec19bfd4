import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("history", "0005_feed_gaps"),
        ("marketdata", "0004_client_plans_and_api_keys"),
    ]

    operations = [
        migrations.CreateModel(
            name="FeedState",
            fields=[
                (
                    "broker",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="+",
                        serialize=False,
                        to="marketdata.broker",
                    ),
                ),
                ("state", models.CharField(max_length=20)),
                ("since", models.DateTimeField()),
                ("seen", models.DateTimeField()),
                ("live_until", models.DateTimeField(null=True)),
            ],
            options={"db_table": "feed_states"},
        ),
    ]
