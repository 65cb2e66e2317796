"""libxl's protocol: its state, steps, designs and properties, and what real toolstacks were seen to do."""
