// Hands the form over to its receiver without a click.
document.getElementById("handover").submit();
