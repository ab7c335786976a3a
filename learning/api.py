"""The door of the learning room. Each function works within the caller's transaction and never commits."""

from learning.commands import CatalogueReport, State, forget_person, load_catalogue, mark_step, plan_path, plan_paths, rename_person
from learning.queries import NoteView, PathView, ResourceView, StepView, find_path, get_resource, list_resources

__all__ = [
    "CatalogueReport",
    "NoteView",
    "PathView",
    "ResourceView",
    "State",
    "StepView",
    "find_path",
    "forget_person",
    "get_resource",
    "list_resources",
    "load_catalogue",
    "mark_step",
    "plan_path",
    "plan_paths",
    "rename_person",
]
