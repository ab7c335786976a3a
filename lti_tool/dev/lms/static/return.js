// Takes the whole window back to the course, out of the frame.
window.top.location.href = document.getElementById("course").href;
