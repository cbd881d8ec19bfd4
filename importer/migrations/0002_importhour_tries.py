"""How often an hour without ticks was asked for."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("importer", "0001_initial")]

    operations = [
        migrations.AddField(
            model_name="importhour",
            name="tries",
            field=models.SmallIntegerField(default=1),
        ),
    ]
