"""What lets a real xenstored run where there is no hypervisor."""
